"""Compiled models on disk: found again, never mistaken, never believed when damaged."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sam_edge
from sam_edge.bundle import Bundle, open_bundle
from sam_edge.errors import InputError
from sam_edge.runtimes.compiled_cache import (
    CompiledCache,
    cache_key,
    default_cache_folder,
    measure_cache,
    open_cache,
)
from sam_edge.segmenter import DEFAULT_BUNDLE

pytestmark = pytest.mark.slow

ENGINE = {
    "name": "openvino",
    "version": "1",
    "processor": "a",
    "INFERENCE_PRECISION_HINT": "f32",
    "threads": 2,
}
SHAPES = {"image": [1, 448, 672, 3]}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The package's own."""
    return open_bundle(DEFAULT_BUNDLE)


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path / "deep" / "cache")
    assert cache.read("a") is None
    cache.write("a", b"model")
    cache.write("b", b"")
    assert (cache.read("a"), cache.read("b"), cache.read("c")) == (b"model", b"", None)
    cache.write("a", b"newer")
    assert CompiledCache(tmp_path / "deep" / "cache").read("a") == b"newer"
    assert len(list((tmp_path / "deep" / "cache").iterdir())) == 2


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_a_file_with_one_wrong_bit_is_not_believed(tmp_path: Path, place: int) -> None:
    cache = CompiledCache(tmp_path)
    cache.write("a", b"model" * 100)
    file = next(tmp_path.iterdir())
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert cache.read("a") is None


@pytest.mark.parametrize("kept", [0, 10, 32, 100])
def test_a_file_that_was_cut_off_is_not_believed(tmp_path: Path, kept: int) -> None:
    cache = CompiledCache(tmp_path)
    cache.write("a", b"model" * 100)
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:kept])
    assert cache.read("a") is None


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match=r"cache: .*cannot be made.*give a folder that can be written"):
        CompiledCache(tmp_path / "file")


def test_everything_that_changes_a_compiled_model_changes_its_key(bundle: Bundle) -> None:
    encoder, *_, decoder = bundle.manifest.graphs
    known = cache_key(bundle, encoder, SHAPES, ENGINE)
    assert known == cache_key(bundle, encoder, dict(SHAPES), dict(reversed(ENGINE.items())))
    first, *others = bundle.manifest.files
    edited = replace(bundle.manifest, files=(replace(first, sha256="0" * 64), *others))
    keys = {
        cache_key(replace(bundle, manifest=edited), encoder, SHAPES, ENGINE),
        cache_key(bundle, decoder, SHAPES, ENGINE),
        cache_key(bundle, encoder, {"image": [1, 448, 448, 3]}, ENGINE),
        *(cache_key(bundle, encoder, SHAPES, {**ENGINE, name: "other"}) for name in ENGINE),
    }
    assert len(keys) == 3 + len(ENGINE)
    assert known not in keys


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, ".cache/sam-edge"),
        ("linux", {"XDG_CACHE_HOME": "{home}/elsewhere"}, "elsewhere/sam-edge"),
        ("darwin", {}, "Library/Caches/sam-edge"),
        ("win32", {"LOCALAPPDATA": "{home}/local"}, "local/sam-edge/cache"),
        ("linux", {"SAM_EDGE_CACHE": "{home}/mine"}, "mine"),
        ("linux", {"SAM_EDGE_CACHE": "off"}, None),
    ],
)
def test_the_default_folder_is_where_the_system_has_caches(
    platform: str,
    variables: dict[str, str],
    folder: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    for name in ("SAM_EDGE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    assert default_cache_folder() == (None if folder is None else tmp_path / folder)


def test_a_default_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SAM_EDGE_CACHE", str(tmp_path / "file"))
    cache = open_cache(default_cache_folder())
    assert cache is not None
    cache.write("a", b"compiled")
    assert cache.read("a") is None
    assert measure_cache(tmp_path / "file") is None
    with pytest.raises(InputError, match="cache"):
        open_cache(tmp_path / "file" / "mine")


def test_what_was_not_used_for_longest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_edge.runtimes.compiled_cache.MAX_BYTES", 3 * 132)
    cache = CompiledCache(tmp_path)
    for age, key in enumerate("abc"):
        cache.write(key, bytes(100))
        os.utime(tmp_path / f"{key}.compiled", (age, age))
    assert cache.read("a") is not None
    cache.write("d", bytes(100))
    assert [key for key in "abcd" if cache.read(key)] == ["a", "c", "d"]
    usage = measure_cache(tmp_path)
    assert usage is not None
    assert (usage.files, usage.bytes) == (3, 3 * 132)


def test_onnxruntime_computes_the_same_from_the_cache(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    made = []
    for cache in (False, tmp_path, tmp_path):
        with sam_edge.load(runtime="onnxruntime", cache=cache, threads=1) as model:
            embedding = model.encode(image)
            masks = model.decode(embedding, points=[[100, 90]])
        made.append((embedding.data, masks.logits, masks.scores))
    for again in made[1:]:
        for first, second in zip(made[0], again, strict=True):
            np.testing.assert_array_equal(first, second)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2, "an encoder and a decoder"
    files[0].write_bytes(files[0].read_bytes()[:-1])
    with sam_edge.load(runtime="onnxruntime", cache=tmp_path, threads=1) as model:
        np.testing.assert_array_equal(model.encode(image).data, made[0][0])


def test_the_decoder_is_open_when_the_encoder_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with sam_edge.load(runtime="onnxruntime", threads=1) as model:
        embedding = model.encode(np.zeros((64, 64, 3), np.uint8), size=(64, 64))
        for thread in model._preparing.values():
            thread.join()

        def refuse(*given: object) -> None:
            raise AssertionError("opened again")

        monkeypatch.setattr(model.runtime, "_open", refuse)
        assert model.decode(embedding, points=[[30, 30]]).scores.shape == (4,)


class TestOpenVino:
    """The engine that keeps what it compiled."""

    @pytest.fixture(autouse=True)
    def needed(self) -> None:
        pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'sam-edge[openvino]'")

    def test_a_model_from_the_cache_computes_the_same(self, tmp_path: Path) -> None:
        image = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
        made = []
        for _ in range(2):
            with sam_edge.load(runtime="openvino", cache=tmp_path, threads=1) as model:
                made.append(model.runtime.encode(image))
            files = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
            assert len(files) == 1
        np.testing.assert_array_equal(made[0], made[1])
        assert files == {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
        damaged = next(tmp_path.iterdir())
        damaged.write_bytes(damaged.read_bytes()[:1000])
        with sam_edge.load(runtime="openvino", cache=tmp_path, threads=1) as model:
            np.testing.assert_array_equal(model.runtime.encode(image), made[0])
        assert damaged.stat().st_size > 1000

    def test_other_settings_have_files_of_their_own(self, tmp_path: Path) -> None:
        image = np.zeros((1, 224, 224, 3), np.uint8)
        choices: list[dict[str, Any]] = [{"precision": "fp32"}, {"precision": "bf16"}, {"threads": 1}]
        for settings in choices:
            with sam_edge.load(runtime="openvino", cache=tmp_path, **settings) as model:
                model.runtime.encode(image)
        assert len(list(tmp_path.iterdir())) >= 2

    def test_pinned_cores_change_no_result(self) -> None:
        image = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), np.uint8)
        made = []
        for pinned in (False, True):
            with sam_edge.load(runtime="openvino", pin_cores=pinned, threads=1) as model:
                made.append(model.runtime.encode(image))
        np.testing.assert_array_equal(made[0], made[1])


def test_auto_takes_what_the_cpu_has_and_says_so() -> None:
    openvino = pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'sam-edge[openvino]'")
    native = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    with sam_edge.load() as model:
        assert (model.runtime.name, model.runtime.precision) == (
            "openvino",
            "int8+bf16" if native else "int8",
        )
    with sam_edge.load(precision="fp32") as model:
        assert model.runtime.precision == "int8"
    with sam_edge.load(runtime="openvino") as model:
        assert model.runtime.precision == ("int8+bf16" if native else "int8")
    with sam_edge.load(runtime="openvino", precision="fp32") as model:
        assert model.runtime.precision == "int8"


def test_more_pinned_threads_than_cores_are_refused() -> None:
    with pytest.raises(InputError, match="pin_cores: 4096 threads for"):
        sam_edge.load(runtime="onnxruntime", threads=4096, pin_cores=True)
