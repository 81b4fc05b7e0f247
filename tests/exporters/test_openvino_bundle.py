"""Bundles for OpenVINO: what is in them, that they compute what they should, and what happens when it goes wrong."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'sam-edge[export]'")
openvino = pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'sam-edge[openvino]'")

import onnx  # noqa: E402

import sam_edge  # noqa: E402
from sam_edge.bundle import open_bundle  # noqa: E402
from sam_edge.errors import ExportError, GateError, InputError, MissingExtraError  # noqa: E402
from sam_edge.exporters import bundle_writer, openvino_bundle  # noqa: E402
from sam_edge.exporters.gate import LABELLED, Gate, Thresholds, open_measured  # noqa: E402
from sam_edge.exporters.image_sets import CalibrationSet  # noqa: E402
from sam_edge.exporters.openvino_bundle import export_openvino  # noqa: E402
from sam_edge.geometry import Placement, View  # noqa: E402
from sam_edge.runtimes.openvino import OpenVino  # noqa: E402
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter  # noqa: E402

if TYPE_CHECKING:
    from sam_edge.nn import Sam

pytestmark = pytest.mark.slow

IMPOSSIBLE = Thresholds(2.0, 0.0, 0.0, 2.0, 2.0, 0.0)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of the package's labelled set."""
    folder = tmp_path_factory.mktemp("few")
    for part, ending in (("images", "jpg"), ("labels", "txt")):
        (folder / part).mkdir()
        for name in ("coffee", "rabbit_standing"):
            shutil.copy(LABELLED / part / f"{name}.{ending}", folder / part)
    return folder


@pytest.fixture(scope="module")
def fp32(
    traced_once: None,
    torch_model: Sam,
    reference: Segmenter,
    few: Path,
    tmp_path_factory: Any,
) -> Path:
    """The official model in fp32, past the gate at a size without padding and one with it."""
    out: Path = tmp_path_factory.mktemp("openvino") / "fp32"
    gate = Gate(reference, labelled=few, sizes=((448, 448), (304, 400)))
    export_openvino(torch_model, out, precision="fp32", gate=gate)
    return out


@pytest.fixture
def shipped_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of tracing, take the int8 graphs that the package ships."""
    names = {"encoder": "encoder_padded", "decoder": "decoder", "decoder_points": "decoder_points"}
    graphs = {role: onnx.load(DEFAULT_BUNDLE / f"{name}.onnx") for role, name in names.items()}
    monkeypatch.setattr(openvino_bundle, "trace_graphs", lambda model, precision, calibration: graphs)


@pytest.fixture
def calibration(clip_frame: NDArray[np.uint8]) -> CalibrationSet:
    """Eight small views of the clip."""
    views = [View(160 * index, 40 * index, 300, 300) for index in range(8)]
    images = tuple(Placement(view, (224, 224)).render(clip_frame) for view in views)
    return CalibrationSet(images=images, fingerprint="0" * 64)


def test_the_manifest_says_what_is_there(fp32: Path) -> None:
    manifest = open_bundle(fp32).manifest
    assert (manifest.target, manifest.precision, manifest.model) == ("openvino", "fp32", "mobile_sam")
    assert {entry.path for entry in manifest.files} == {
        "encoder.xml",
        "encoder.bin",
        "decoder.xml",
        "decoder.bin",
        "decoder_points.xml",
        "decoder_points.bin",
    }
    assert [(graph.role, graph.multiple_of) for graph in manifest.graphs] == [
        ("encoder", 16),
        ("decoder", 16),
        ("decoder_points", 16),
    ]
    assert manifest.sizes == ((448, 448), (304, 400))
    assert manifest.parity["engine"] == "openvino fp32"
    assert (manifest.parity["missed"], manifest.parity["forced"]) == ([], False)
    assert manifest.parity["chosen_iou"] > 0.999
    assert manifest.tools["openvino"] == openvino.get_version()


def test_files_name_nothing_of_the_machine(fp32: Path) -> None:
    for path in fp32.iterdir():
        content = path.read_bytes()
        for secret in (str(fp32.parent), str(Path.home()) + "/", str(Path(sam_edge.__file__).parent)):
            assert secret.encode() not in content, path.name


@pytest.mark.parametrize("size", [(448, 672), (256, 320), (80, 64)])
def test_one_encoder_serves_any_size(
    fp32: Path, reference: Segmenter, clip_frame: NDArray[np.uint8], size: tuple[int, int]
) -> None:
    with sam_edge.load(fp32) as model:
        assert model.runtime.name == "openvino"
        ours, theirs = (one.encode(clip_frame, size=size) for one in (model, reference))
        np.testing.assert_allclose(ours.data, theirs.data, atol=2e-4)
        mine, other = (
            one.decode(theirs, points=[[[640, 360]], [[100, 500]]], labels=[[1], [1]])
            for one in (model, reference)
        )
        np.testing.assert_allclose(mine.logits, other.logits, atol=2e-3)
        np.testing.assert_allclose(mine.scores, other.scores, atol=1e-4)


def test_half_precision_is_stored_in_half_the_bytes(
    traced_once: None,
    torch_model: Sam,
    fp32: Path,
    clip_frame: NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    made = export_openvino(torch_model, tmp_path / "bf16", precision="bf16")
    assert (made.sizes, made.parity) == ((), {})
    stored, wide = (
        {entry.path: entry.bytes for entry in one.files} for one in (made, open_bundle(fp32).manifest)
    )
    for name in ("encoder.bin", "decoder.bin", "decoder_points.bin"):
        assert stored[name] < 0.51 * wide[name]
    with open_measured(tmp_path / "bf16") as model, sam_edge.load(fp32) as exact:
        assert "bf16" in model.runtime.precision
        ours, theirs = (one.encode(clip_frame, size=(224, 224)).data for one in (model, exact))
    assert 1e-4 < np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.05


def test_int8_computes_what_the_onnx_bundle_computes(
    shipped_graphs: None,
    torch_model: Sam,
    few: Path,
    calibration: CalibrationSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exact_int8: bool,
) -> None:
    # What is compared with is the same rounded model on another engine, so that fp32's own limits nearly hold.
    near = Thresholds(0.999, 0.05, 0.3, 0.97, 0.97, 0.01)
    if not exact_int8:
        # Products of 8 bits saturate on OpenVINO here, and not on ONNX Runtime: OpenVINO multiplies in floating point.
        settings = OpenVino._settings_of
        exact = {"LP_TRANSFORMS_MODE": "NO"}
        monkeypatch.setattr(OpenVino, "_settings_of", lambda self, part: {**settings(self, part), **exact})
    with sam_edge.load(DEFAULT_BUNDLE, runtime="onnxruntime") as same:
        gate = Gate(same, labelled=few, sizes=((448, 448),), thresholds=near)
        made = export_openvino(
            torch_model, tmp_path / "int8", precision="int8", calibration=calibration, gate=gate
        )
    assert made.calibration == {"pictures": 8, "sha256": "0" * 64}
    shipped = open_bundle(DEFAULT_BUNDLE).manifest
    stored = {entry.path: entry.bytes for entry in [*made.files, *shipped.files]}
    assert stored["encoder.bin"] < 1.05 * stored["encoder.weights"], "8 bits stay 8 bits"
    assert stored["decoder.bin"] < 1.05 * stored["decoder.weights"]


def test_nncf_leaves_alone_what_does_not_bear_it(
    traced_once: None,
    torch_model: Sam,
    fp32: Path,
    clip_frame: NDArray[np.uint8],
    calibration: CalibrationSet,
    tmp_path: Path,
) -> None:
    pytest.importorskip("nncf", reason="needs NNCF: pip install 'sam-edge[export]'")
    out = tmp_path / "int8"
    made = export_openvino(torch_model, out, precision="int8-nncf", calibration=calibration)
    assert "nncf" in made.tools
    rounded: set[tuple[str, str]] = set()
    kept: set[tuple[str, str]] = set()
    for node in openvino.Core().read_model(str(out / "encoder.xml")).get_ops():
        kind = node.get_type_name()
        if kind in ("MatMul", "Convolution", "GroupConvolution"):
            given = node.input_value(0).get_node().get_type_name()
            (rounded if given == "FakeQuantize" else kept).add((kind, node.get_friendly_name()))
    assert {kind for kind, _ in rounded} == {"MatMul", "Convolution"}
    assert len(rounded) > 40
    assert sum(kind == "GroupConvolution" for kind, _ in kept) == 15
    with sam_edge.load(out) as model, sam_edge.load(fp32) as exact:
        ours, theirs = (one.encode(clip_frame, size=(224, 224)).data.ravel() for one in (model, exact))
    assert ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs)) > 0.98


def test_the_gate_leaves_nothing_behind(
    shipped_graphs: None,
    torch_model: Sam,
    few: Path,
    calibration: CalibrationSet,
    tmp_path: Path,
) -> None:
    with sam_edge.load(DEFAULT_BUNDLE) as same:
        strict = Gate(same, labelled=few, sizes=((224, 224),), thresholds=IMPOSSIBLE)
        with pytest.raises(GateError, match="lost too much"):
            export_openvino(
                torch_model,
                tmp_path / "out",
                precision="int8",
                calibration=calibration,
                gate=strict,
            )
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_accepted_is_named(torch_model: Sam, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'int4' is not accepted for openvino; accepted: fp32"):
        export_openvino(torch_model, tmp_path / "out", precision="int4")
    with pytest.raises(InputError, match="calibration: int8 is fitted on images"):
        export_openvino(torch_model, tmp_path / "out", precision="int8-nncf")
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_the_way_stays(torch_model: Sam, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="exists and is no bundle"):
        export_openvino(torch_model, tmp_path / "mine", precision="fp32")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ExportError, match="cannot be written"):
        export_openvino(torch_model, tmp_path / "file" / "out", precision="fp32")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


@contextmanager
def nearly_full(limit: int) -> Iterator[None]:
    """Let no file of this process grow beyond `limit` bytes, as on a full disk."""
    resource = pytest.importorskip("resource", reason="limits of a process are to be had on Unix only")
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_a_full_disk_leaves_the_former_bundle(
    shipped_graphs: None, torch_model: Sam, calibration: CalibrationSet, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(DEFAULT_BUNDLE, out)
    with nearly_full(2_000_000), pytest.raises(ExportError, match="cannot be written"):
        export_openvino(torch_model, out, precision="int8", calibration=calibration)
    assert open_bundle(out).manifest == open_bundle(DEFAULT_BUNDLE).manifest
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_dying_half_way_leaves_the_former_bundle(
    shipped_graphs: None,
    torch_model: Sam,
    calibration: CalibrationSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    shutil.copytree(DEFAULT_BUNDLE, out)

    def interrupted(*args: object, **options: object) -> None:
        assert any(path.name.startswith(".out-") for path in tmp_path.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(openvino_bundle, "write_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_openvino(torch_model, out, precision="int8", calibration=calibration)
    assert open_bundle(out).manifest.target == "onnx"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_bundle_is_replaced_whole_or_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    shutil.copytree(DEFAULT_BUNDLE, out)
    move = os.replace

    def refuse(source: Path, target: Path) -> None:
        if target == out and not source.name.endswith(".part"):
            raise PermissionError("not now")
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(ExportError, match="not now"), bundle_writer.new_folder(out) as folder:
            (folder / "manifest.json").write_text("{}")
    assert open_bundle(out).manifest == open_bundle(DEFAULT_BUNDLE).manifest
    with bundle_writer.new_folder(out) as folder:
        (folder / "manifest.json").write_text("new")
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_tools_that_are_missing_are_named(
    torch_model: Sam,
    calibration: CalibrationSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingExtraError, match=r"nncf.*pip install 'sam-edge\[export\]'"):
        export_openvino(torch_model, tmp_path / "out", precision="int8-nncf", calibration=calibration)
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "sam_edge.exporters.openvino_bundle")
    with pytest.raises(MissingExtraError, match=r"pip install 'sam-edge\[openvino\]'"):
        importlib.import_module("sam_edge.exporters.openvino_bundle")


def test_a_graph_that_openvino_does_not_understand_is_refused() -> None:
    strange = onnx.helper.make_node("Unheard", ["x"], ["y"], domain="nowhere")
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_model(onnx.helper.make_graph([strange], "g", sides[:1], sides[1:]))
    with pytest.raises(ExportError, match="openvino: cannot read the traced graph"):
        openvino_bundle.to_openvino(graph)
