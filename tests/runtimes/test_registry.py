"""Engines by name: found, added, chosen, and refused with what to do about it."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sam_edge
from sam_edge.bundle import Bundle, GraphEntry, Manifest, TensorEntry, open_bundle
from sam_edge.cores import available_cores
from sam_edge.errors import BundleError, EngineError, InputError, MissingExtraError, SamEdgeError
from sam_edge.runtimes import RuntimeOptions, choose_engine, engines, open_runtime
from sam_edge.runtimes.base import SIZES_KEPT_OPEN, KeptOpen, graph_for
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import DEFAULT_BUNDLE

BUILT_IN = {"onnxruntime", "openvino", "torch", "fake"}


@pytest.fixture
def bundle() -> Bundle:
    """The embedded bundle."""
    return open_bundle(DEFAULT_BUNDLE)


def aimed_at(bundle: Bundle, target: str) -> Bundle:
    """The same bundle, said to be compiled for something else."""
    return replace(bundle, manifest=replace(bundle.manifest, target=target))


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that makes libraries look as if they were not installed."""
    find = importlib.util.find_spec

    def hide(*libraries: str) -> None:
        def hidden(name: str, package: str | None = None) -> Any:
            return None if name in libraries else find(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", hidden)

    return hide


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that adds entry points as other packages would."""

    def add(*points: tuple[str, str]) -> None:
        made = [EntryPoint(name, value, "sam_edge.runtimes") for name, value in points]
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: made)

    return add


class TestNames:
    def test_what_is_built_in(self) -> None:
        known = engines()
        assert set(known) >= BUILT_IN
        for name, info in known.items():
            assert info.name == name
            assert info.summary
            assert ":" in info.opener

    @pytest.mark.parametrize("name", ["tensorrt", "", "OpenVINO", "onnx"])
    def test_an_unknown_engine_is_refused_with_those_that_are_known(self, name: str) -> None:
        with pytest.raises(EngineError) as caught:
            sam_edge.load(runtime=name)
        said = str(caught.value)
        assert f"runtime: {name!r} is not known; accepted: auto" in said
        assert all(other in said for other in BUILT_IN)

    @pytest.mark.parametrize(("name", "extra"), [("openvino", "openvino"), ("torch", "export")])
    def test_an_engine_that_is_not_installed_says_how_to_install_it(
        self, bundle: Bundle, without: Callable[..., None], name: str, extra: str
    ) -> None:
        without(name)
        assert not engines()[name].installed
        with pytest.raises(MissingExtraError, match=name) as caught:
            open_runtime(aimed_at(bundle, "torch") if name == "torch" else bundle, name)
        assert f"pip install 'sam-edge[{extra}]'" in str(caught.value)
        assert isinstance(caught.value, ImportError)
        assert isinstance(caught.value, SamEdgeError)

    @pytest.mark.parametrize(
        ("name", "target"), [("onnxruntime", "openvino"), ("onnxruntime", "coreml"), ("torch", "onnx")]
    )
    def test_a_bundle_for_another_engine_is_refused(self, bundle: Bundle, name: str, target: str) -> None:
        with pytest.raises(EngineError, match=f"runtime: '{name}' opens bundles for .*not for '{target}'"):
            open_runtime(aimed_at(bundle, target), name)


class TestAuto:
    def test_openvino_where_it_is_installed(self, bundle: Bundle) -> None:
        pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'sam-edge[openvino]'")
        assert choose_engine(bundle) == "openvino"
        assert choose_engine(aimed_at(bundle, "openvino")) == "openvino"

    def test_else_onnxruntime(self, bundle: Bundle, without: Callable[..., None]) -> None:
        without("openvino")
        assert choose_engine(bundle) == "onnxruntime"
        with sam_edge.load() as model:
            assert model.runtime.name == "onnxruntime"

    def test_nothing_that_is_installed_opens_it(self, bundle: Bundle, without: Callable[..., None]) -> None:
        without("openvino", "onnxruntime", "torch", "coremltools")
        with pytest.raises(EngineError, match=r"no installed engine opens a bundle for 'onnx'.*doctor"):
            sam_edge.load()
        with pytest.raises(EngineError, match="for 'somethingelse'"):
            choose_engine(aimed_at(bundle, "somethingelse"))

    def test_the_fake_is_never_chosen(self, bundle: Bundle, without: Callable[..., None]) -> None:
        without("openvino", "onnxruntime", "torch", "coremltools")
        with pytest.raises(EngineError):
            choose_engine(aimed_at(bundle, "fake"))


class TestEntryPoints:
    def test_another_package_adds_an_engine(self, added: Callable[..., None]) -> None:
        added(("abacus", "sam_edge.runtimes.fake:open_fake"))
        assert "abacus" in engines()
        with sam_edge.load(runtime="abacus") as model:
            assert isinstance(model.runtime, Fake)

    @pytest.mark.parametrize("name", sorted(BUILT_IN))
    def test_a_name_that_is_taken_is_refused(self, added: Callable[..., None], name: str) -> None:
        added((name, "abacus:open"))
        with pytest.raises(EngineError, match=f"abacus:open claims the name '{name}', which is taken"):
            engines()

    def test_two_packages_with_one_name_are_refused(self, added: Callable[..., None]) -> None:
        added(("abacus", "first:open"), ("abacus", "second:open"))
        with pytest.raises(EngineError, match="second:open claims the name 'abacus'"):
            sam_edge.load(runtime="abacus")


class TestOptions:
    @pytest.mark.parametrize("threads", [0, -1])
    def test_threads_must_be_positive(self, threads: int) -> None:
        with pytest.raises(InputError, match=f"threads: {threads} is not accepted; give 1 or more"):
            sam_edge.load(threads=threads)

    def test_threads_default_to_the_cores_that_may_be_used(self) -> None:
        assert RuntimeOptions().thread_count == available_cores() >= 1
        assert RuntimeOptions(threads=3).thread_count == 3

    @pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
    def test_threads_are_kept(self, name: str) -> None:
        pytest.importorskip(name)
        with sam_edge.load(runtime=name, threads=1) as model:
            assert model.runtime.threads == 1

    @pytest.mark.parametrize(("name", "hint"), [("onnxruntime", "bf16"), ("openvino", "f64")])
    def test_a_precision_that_an_engine_has_not_is_refused(self, name: str, hint: str) -> None:
        pytest.importorskip(name)
        with pytest.raises(InputError, match=f"precision: '{hint}' is not accepted.*accepted: fp32"):
            sam_edge.load(runtime=name, precision=hint)

    def test_a_device_that_onnxruntime_has_not_is_refused(self) -> None:
        with pytest.raises(InputError, match="device: 'GPU' is not accepted by onnxruntime; accepted: CPU"):
            sam_edge.load(runtime="onnxruntime", device="GPU")

    @pytest.mark.parametrize(
        ("options", "said"),
        [({"device": "cuda"}, "device: 'cuda'"), ({"precision": "bf16"}, "precision: 'bf16'")],
    )
    def test_what_torch_has_not_is_refused(
        self, checkpoint: Path, options: dict[str, str], said: str
    ) -> None:
        pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
        with pytest.raises(InputError, match=said):
            sam_edge.load(checkpoint, runtime="torch", device=options.get("device", "CPU"),
                          precision=options.get("precision"))  # fmt: skip


class TestGraphs:
    @pytest.mark.parametrize(
        ("size", "multiple"), [((448, 672), 224), ((448, 640), 16), ((1024, 1024), 16), ((224, 896), 224)]
    )
    def test_the_strictest_graph_that_takes_a_size(
        self, bundle: Bundle, size: tuple[int, int], multiple: int
    ) -> None:
        assert graph_for(bundle, "encoder", size, "onnxruntime").multiple_of == multiple

    def test_a_graph_made_for_an_engine_comes_first_there_and_serves_nowhere_else(
        self, bundle: Bundle
    ) -> None:
        general = graph_for(bundle, "encoder", (448, 448), "onnxruntime")
        own = replace(general, file="own.onnx", engine="openvino")
        graphs = [graph for graph in bundle.manifest.graphs if not graph.engine]
        both = replace(bundle, manifest=replace(bundle.manifest, graphs=(*graphs, own)))
        assert graph_for(both, "encoder", (448, 448), "openvino") == own
        assert graph_for(both, "encoder", (448, 448), "onnxruntime").engine == ""
        assert graph_for(both, "encoder", (448, 640), "openvino").multiple_of == 16

    def test_a_size_that_none_takes_is_refused(self, bundle: Bundle) -> None:
        with pytest.raises(InputError, match=r"size: 452x448 is not accepted.*multiples of 16"):
            graph_for(bundle, "encoder", (448, 452), "onnxruntime")

    @pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
    def test_a_graph_that_is_none_gives_a_bundle_error(self, tmp_path: Path, name: str) -> None:
        pytest.importorskip(name)
        (tmp_path / "e.onnx").write_bytes(b"this is no graph")
        some = (TensorEntry("image", (1,), "uint8", ""),)
        manifest = Manifest(
            name="broken", model="mobile_sam", target="onnx", precision="int8", checkpoint_sha256="", files=(),
            graphs=(GraphEntry("encoder", "e.onnx", 16, some, some),), sizes=(), licence="",
        )  # fmt: skip
        with (
            open_runtime(Bundle(tmp_path, manifest), name) as runtime,
            pytest.raises(BundleError, match=r"cannot open .*e\.onnx"),
        ):
            runtime.encode(np.zeros((1, 64, 64, 3), np.uint8))


class TestKeptOpen:
    def test_the_least_recently_used_goes_first(self) -> None:
        kept: KeptOpen[int] = KeptOpen()
        built = []

        def get(side: int) -> int:
            def build() -> int:
                built.append(side)
                return side

            return kept.get((side, side), build)

        sides = list(range(1, SIZES_KEPT_OPEN + 1))
        assert [get(side) for side in sides] == sides
        get(1)
        get(99)
        assert built == [*sides, 99]
        get(1)
        assert built == [*sides, 99], "1 was used last and must still be there"
        get(2)
        assert built == [*sides, 99, 2], "2 was used least recently and must be gone"

    def test_nothing_is_kept_of_what_could_not_be_built(self) -> None:
        kept: KeptOpen[int] = KeptOpen()

        def fail() -> int:
            raise BundleError("broken")

        with pytest.raises(BundleError):
            kept.get((1, 1), fail)
        assert kept.get((1, 1), lambda: 7) == 7

    def test_two_threads_build_two_graphs_side_by_side_and_one_graph_once(self) -> None:
        kept: KeptOpen[int] = KeptOpen()
        met = threading.Barrier(2, timeout=30)
        built = []

        def build(side: int) -> int:
            met.wait()
            built.append(side)
            return side

        with ThreadPoolExecutor(4) as pool:
            sides = (1, 1, 2, 2)
            results = [pool.submit(kept.get, (side, side), partial(build, side)) for side in sides]
            assert [result.result() for result in results] == [1, 1, 2, 2]
        assert sorted(built) == [1, 2]


def test_threads_of_onnxruntime_leave_the_cores_to_the_next_session(bundle: Bundle) -> None:
    """The decoder has threads of its own, and they want the cores when the encoder is done."""
    from sam_edge.runtimes.onnxruntime import OnnxRuntime

    runtime = OnnxRuntime(bundle, RuntimeOptions(threads=2))
    for role in ("encoder", "decoder"):
        settings = runtime._settings(role, {})
        assert settings.get_session_config_entry("session.force_spinning_stop") == "1"
