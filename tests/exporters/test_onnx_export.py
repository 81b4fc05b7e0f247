"""From the official checkpoint to ONNX bundles: exact in fp32, close in fewer bits, and whole or not there at all."""

from __future__ import annotations

import hashlib
import shutil
import site
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge.bundle import MANIFEST, hash_file, open_bundle
from sam_edge.errors import ExportError, InputError
from sam_edge.geometry import Placement, View
from sam_edge.segmenter import Segmenter

if TYPE_CHECKING:
    from sam_edge.exporters.image_sets import CalibrationSet
    from sam_edge.nn import Sam

torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'sam-edge[export]'")

from sam_edge.exporters import onnx_bundle, onnx_graphs, quantize  # noqa: E402
from sam_edge.exporters.bundle_writer import new_folder  # noqa: E402
from sam_edge.exporters.onnx_bundle import export_onnx  # noqa: E402
from sam_edge.exporters.onnx_rounding import insert_rounding, insert_shifted_rounding  # noqa: E402
from sam_edge.exporters.quantize import QuantizationPlan, plan_quantization, simulate_rounding  # noqa: E402
from sam_edge.exporters.rounding import Rounding, linear_layers  # noqa: E402

pytestmark = pytest.mark.slow

Float = NDArray[np.float32]
SIZES = [(448, 672), (1024, 1024), (480, 640)]
"""A pad-free size, SAM's own, and one that is no multiple of 224."""


def picture(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A frame in an encoder input: uint8 (1, height, width, 3)."""
    return Placement(View.whole((image.shape[0], image.shape[1])), size).render(image)[None]


def relative_error(got: Float, wanted: Float) -> float:
    """Norm of the difference over the norm."""
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


def prompts(rows: int, columns: int) -> dict[str, tuple[NDArray[Any], ...]]:
    """Points, labels, mask and has_mask of prompts of every kind, on an embedding of that size."""
    blank = np.zeros((1, 1, 4 * rows, 4 * columns), np.float32)
    soft = (
        blank
        + 6
        - np.hypot(*np.mgrid[-2 * rows : 2 * rows, -2 * columns : 2 * columns]).astype(np.float32) / 4
    )
    points = np.array([[[200, 150], [60, 90], [0, 0]]], np.float32)
    box = np.array([[[100, 80], [260, 300]]], np.float32)
    without, with_mask = np.zeros(1, np.float32), np.ones(1, np.float32)
    three = np.repeat(points[:, :1], 3, axis=0) + np.arange(3, dtype=np.float32)[:, None, None] * 40
    return {
        "points": (points, np.array([[1, 0, -1]], np.int32), blank, without),
        "box": (box, np.array([[2, 3]], np.int32), blank, without),
        "point with mask": (points[:, :1], np.array([[1]], np.int32), soft, with_mask),
        "mask only": (points[:, :0], np.zeros((1, 0), np.int32), soft, with_mask),
        "three prompts": (
            three,
            np.ones((3, 1), np.int32),
            np.repeat(blank, 3, axis=0),
            np.zeros(3, np.float32),
        ),
    }


class TestFp32:
    @pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[1]}x{size[0]}")
    def test_it_is_torch(
        self, fp32_bundle: Path, reference: Segmenter, clip_frame: NDArray[np.uint8], size: tuple[int, int]
    ) -> None:
        image = picture(clip_frame, size)
        expected = reference.runtime.encode(image)
        with sam_edge.load(fp32_bundle, runtime="onnxruntime").runtime as runtime:
            np.testing.assert_allclose(runtime.encode(image), expected, atol=1e-4)
            for name, given in prompts(*expected.shape[2:]).items():
                logits, scores = runtime.decode(expected, *given)
                exact, exact_scores = reference.runtime.decode(expected, *given)
                # Logits reach 60, where float32 itself has steps of 4e-6.
                np.testing.assert_allclose(logits, exact, atol=1e-4, rtol=2e-5, err_msg=name)
                np.testing.assert_allclose(scores, exact_scores, atol=1e-4, err_msg=name)

    def test_openvino_reads_it_as_well(
        self, fp32_bundle: Path, reference: Segmenter, clip_frame: NDArray[np.uint8]
    ) -> None:
        pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'sam-edge[openvino]'")
        image = picture(clip_frame, (224, 448))
        expected = reference.runtime.encode(image)
        with sam_edge.load(fp32_bundle, runtime="openvino").runtime as runtime:
            assert runtime.precision == "fp32"
            np.testing.assert_allclose(runtime.encode(image), expected, atol=1e-3)
            for given in prompts(14, 28).values():
                exact = reference.runtime.decode(expected, *given)
                np.testing.assert_allclose(runtime.decode(expected, *given)[0], exact[0], atol=5e-3)

    def test_the_two_encoders_agree_where_both_serve(
        self, fp32_bundle: Path, clip_frame: NDArray[np.uint8]
    ) -> None:
        image = picture(clip_frame, (448, 448))
        slim, padded = (
            onnxruntime.InferenceSession(str(fp32_bundle / name), providers=["CPUExecutionProvider"])
            for name in ("encoder.onnx", "encoder_padded.onnx")
        )
        np.testing.assert_allclose(
            slim.run(None, {"image": image})[0], padded.run(None, {"image": image})[0], atol=2e-5
        )

    def test_what_is_never_padded_is_nowhere_padded(self, fp32_bundle: Path) -> None:
        kinds = {
            name: {
                node.op_type for node in onnx.load(fp32_bundle / name, load_external_data=False).graph.node
            }
            for name in ("encoder.onnx", "encoder_padded.onnx")
        }
        assert kinds["encoder_padded.onnx"] >= {"Pad", "Slice"}
        assert not kinds["encoder.onnx"] & {"Pad", "Slice"}

    def test_the_encoders_share_their_weights(self, fp32_bundle: Path, torch_model: Sam) -> None:
        encoder = sum(value.numel() * 4 for value in torch_model.image_encoder.parameters())
        assert (fp32_bundle / "encoder.weights").stat().st_size < 1.1 * encoder
        assert (fp32_bundle / "encoder.onnx").stat().st_size < 500_000

    def test_the_manifest_describes_it(self, fp32_bundle: Path, checkpoint: Path) -> None:
        manifest = open_bundle(fp32_bundle).manifest
        assert (manifest.model, manifest.target, manifest.precision) == ("mobile_sam", "onnx", "fp32")
        assert manifest.checkpoint_sha256 == hash_file(checkpoint)
        assert "MobileSAM" in manifest.licence
        assert {"torch", "onnx", "onnxscript", "numpy", "python", "sam_edge"} <= set(manifest.tools)
        assert [graph.multiple_of for graph in manifest.graphs_of("encoder")] == [224, 16]
        encoder, decoder = manifest.graphs_of("encoder")[0], manifest.graphs_of("decoder")[0]
        assert encoder.inputs[0].shape == ("batch", "height", "width", 3)
        assert encoder.outputs[0].shape == ("batch", 256, "height/16", "width/16")
        assert {one.name: one.dtype for one in decoder.inputs} == {
            "embedding": "float32", "points": "float32", "labels": "int32", "mask": "float32", "has_mask": "float32",
        }  # fmt: skip
        assert [one.name for one in decoder.outputs] == ["logits", "scores"]
        assert {path.name for path in fp32_bundle.iterdir()} == {one.path for one in manifest.files} | {
            MANIFEST
        }

    def test_no_file_names_the_machine_it_was_made_on(self, fp32_bundle: Path, repo_dir: Path) -> None:
        places = {str(repo_dir), str(Path.home()), *site.getsitepackages(), str(fp32_bundle.parent)}
        for path in fp32_bundle.iterdir():
            content = path.read_bytes()
            assert not [place for place in places if len(place) > 5 and place.encode() in content], path.name

    def test_the_model_is_left_as_it_was(self, fp32_bundle: Path, torch_model: Sam, checkpoint: Path) -> None:
        from sam_edge.nn import load_mobile_sam

        fresh = load_mobile_sam(checkpoint).state_dict()
        assert list(fresh) == list(torch_model.state_dict())
        assert all(torch.equal(value, fresh[key]) for key, value in torch_model.state_dict().items())


@pytest.fixture(scope="module")
def calibration(shared_dir: Path) -> CalibrationSet:
    """Eight photographs, small."""
    from sam_edge.exporters.image_sets import read_calibration

    return read_calibration(shared_dir / "data" / "calibration", (224, 224), at_most=8)


@pytest.fixture(scope="module")
def plan(torch_model: Sam, calibration: CalibrationSet) -> QuantizationPlan:
    """How to round the encoder's layers, fitted on four of the photographs; some convolutions among them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantize, "DISTURBANCE_PER_WORK", 7.5e-8)
        return plan_quantization(torch_model, calibration.images[:4], checked_on=1)


@pytest.fixture
def planned_graph(traced_once: None, plan: QuantizationPlan) -> Any:
    """The plan's encoder as ONNX, nothing rounded yet."""
    return vars(onnx_graphs)["trace_encoder"](plan.model)


@pytest.fixture
def quick_plan(plan: QuantizationPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exports use the plan that is there already."""
    monkeypatch.setattr(onnx_graphs, "plan_quantization", lambda model, images: plan)


class TestFewerBits:
    @pytest.mark.usefixtures("quick_plan")
    @pytest.mark.parametrize(
        ("precision", "smaller", "apart", "masks"), [("fp16", 0.6, 5e-3, 0.98), ("int8", 0.35, 0.12, 0.85)]
    )
    def test_files_are_smaller_and_masks_the_same(
        self,
        fp32_bundle: Path,
        torch_model: Sam,
        calibration: CalibrationSet,
        clip_frame: NDArray[np.uint8],
        tmp_path: Path,
        precision: str,
        smaller: float,
        apart: float,
        masks: float,
    ) -> None:
        out = tmp_path / "out"
        made = export_onnx(torch_model, out, precision=precision, calibration=calibration)
        manifest = open_bundle(out).manifest
        assert manifest == made
        assert (manifest.precision, manifest.name) == (precision, f"mobile_sam-{precision}")
        fitted = {"pictures": 8, "sha256": calibration.fingerprint} if precision == "int8" else {}
        assert manifest.calibration == fitted
        before = sum(path.stat().st_size for path in fp32_bundle.iterdir())
        assert sum(path.stat().st_size for path in out.iterdir()) < smaller * before
        points = [[[140, 450]], [[990, 350]], [[628, 424]]]
        with (
            sam_edge.load(fp32_bundle, runtime="onnxruntime") as exact,
            sam_edge.load(out, runtime="onnxruntime") as model,
        ):
            wanted, got = (one.encode(clip_frame, size=(224, 448)) for one in (exact, model))
            assert 0 < relative_error(got.data, wanted.data) < apart
            ours, theirs = (one.decode(seen, points=points) for one, seen in ((model, got), (exact, wanted)))
        same = np.count_nonzero(ours.best & theirs.best) / np.count_nonzero(ours.best | theirs.best)
        assert same > masks

    @pytest.mark.parametrize("form", [insert_rounding, insert_shifted_rounding])
    def test_the_rounded_graph_computes_what_was_simulated(
        self,
        planned_graph: Any,
        plan: QuantizationPlan,
        clip_frame: NDArray[np.uint8],
        form: Callable[..., None],
    ) -> None:
        """The plan written into ONNX and the plan played through in torch lose the same."""
        graph, torch_model = planned_graph, plan.model
        form(graph, plan.layers)
        image = picture(clip_frame, (224, 448))
        with torch.inference_mode():
            exact = torch_model.encode(torch.from_numpy(image)).numpy()
            # Without activations of convolutions, `insert_rounding` loses less than the whole plan.
            products = linear_layers(torch_model)
            played = {
                name: one
                for name, one in plan.layers.items()
                if form is insert_shifted_rounding or name in products
            }
            with simulate_rounding(torch_model, played):
                expected = torch_model.encode(torch.from_numpy(image)).numpy()
            after = torch_model.encode(torch.from_numpy(image)).numpy()
        np.testing.assert_array_equal(after, exact)
        settings = onnxruntime.SessionOptions()
        # Optimised, the products are taken in whole numbers, which rounds at other places than the simulation does.
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), settings, providers=["CPUExecutionProvider"]
        )
        got = session.run(None, {"image": image})[0]
        lost = relative_error(expected, exact)
        assert 0.005 < lost < 0.12
        assert relative_error(got, exact) == pytest.approx(lost, rel=0.25)
        # What differs in the last place falls on other steps of 8 bits here and there. Errors that had nothing to do
        # with each other would lie 1.4 times as far apart as they are long.
        assert relative_error(got, expected) < 0.85 * lost

    @pytest.mark.parametrize("form", [insert_rounding, insert_shifted_rounding])
    def test_both_factors_of_every_planned_product_are_rounded(
        self, planned_graph: Any, plan: QuantizationPlan, form: Callable[..., None]
    ) -> None:
        packed = [name for name in plan.layers if name.endswith("qkv.weight")]
        convolutions = set(plan.layers) - set(linear_layers(plan.model))
        assert len(plan.layers) >= 20
        assert packed
        assert convolutions
        graph = planned_graph
        form(graph, plan.layers)
        onnx.checker.check_model(graph)
        kinds = [node.op_type for node in graph.graph.node]
        given = len(plan.layers) - (0 if form is insert_shifted_rounding else len(convolutions))
        assert kinds.count("QuantizeLinear") == given
        assert kinds.count("DequantizeLinear") == given + len(plan.layers) + 2 * len(packed)
        constants = {one.name: one for one in graph.graph.initializer}
        zeros = [
            onnx.numpy_helper.to_array(constants[n.input[2]])
            for n in graph.graph.node
            if n.op_type == "QuantizeLinear"
        ]
        assert any(zero != 0 for zero in zeros) is (form is insert_rounding)
        for name in (one.replace("qkv", part) for one in plan.layers for part in ("q", "k", "v")):
            assert name not in constants
            stored = onnx.numpy_helper.to_array(constants[f"{name}_i8"])
            assert stored.dtype == np.int8
            assert np.abs(stored.astype(int)).max() <= 127

    def test_a_plan_for_another_graph_is_refused(self, fp32_bundle: Path) -> None:
        graph = onnx.load(fp32_bundle / "encoder_padded.onnx")
        with pytest.raises(
            ExportError, match=r"quantize: the traced graph has no product with nobody\.weight"
        ):
            insert_rounding(graph, {"nobody.weight": Rounding(0.1, 3)})


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file under a folder, by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def export(traced_once: None, torch_model: Sam, checkpoint: Path) -> Callable[..., Any]:
    """Export the official model to a folder."""

    def run(out: Path, **options: Any) -> Any:
        return export_onnx(torch_model, out, **options)

    return run


class TestWholeOrNotAtAll:
    @pytest.mark.parametrize(
        "step",
        [
            "onnx_graphs.trace_encoder",
            "onnx_graphs.trace_decoder",
            "onnx_bundle.save_with_weights",
            "onnx_bundle.describe_graphs",
            "bundle_writer.describe_files",
        ],
    )
    @pytest.mark.parametrize(
        "error", [RuntimeError("out of luck"), KeyboardInterrupt(), OSError(28, "No space left")]
    )
    def test_an_export_that_dies_leaves_nothing(
        self,
        export: Callable[..., Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        step: str,
        error: BaseException,
    ) -> None:
        def die(*args: object, **kwargs: object) -> None:
            raise error

        monkeypatch.setattr(f"sam_edge.exporters.{step}", die)
        with pytest.raises(ExportError if isinstance(error, OSError) else type(error)):
            export(tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    def test_what_was_there_survives_an_export_that_dies(
        self, export: Callable[..., Any], fp32_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out"
        shutil.copytree(fp32_bundle, out)
        before = contents(tmp_path)

        def die(*args: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(onnx_bundle, "save_with_weights", die)
        with pytest.raises(ExportError, match=f"out: {out} cannot be written: .*No space left"):
            export(out)
        assert contents(tmp_path) == before

    def test_a_bundle_is_replaced(
        self, export: Callable[..., Any], fp32_bundle: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        shutil.copytree(fp32_bundle, out)
        (out / "left_over.bin").write_bytes(b"of an older version")
        export(out, precision="fp16")
        assert open_bundle(out).manifest.precision == "fp16"
        assert not (out / "left_over.bin").exists()
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    @pytest.mark.parametrize("kind", ["folder with something", "empty folder", "file"])
    def test_what_is_no_bundle_is_not_replaced(
        self, export: Callable[..., Any], tmp_path: Path, kind: str
    ) -> None:
        out = tmp_path / "photographs"
        if kind == "file":
            out.write_text("precious", encoding="utf-8")
        else:
            out.mkdir()
        if kind == "folder with something":
            (out / "wedding.jpg").write_bytes(b"precious")
        before = contents(tmp_path)
        with pytest.raises(ExportError, match=f"out: {out} exists and is no bundle"):
            export(out)
        assert contents(tmp_path) == before

    def test_a_folder_that_cannot_be_made_is_refused_before_any_work(
        self, export: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("x", encoding="utf-8")
        monkeypatch.setattr(onnx_graphs, "trace_encoder", lambda model: pytest.fail("work was done"))
        with pytest.raises(ExportError, match=r"out: .*bundle cannot be written"):
            export(tmp_path / "file" / "bundle")

    def test_parents_are_made(self, tmp_path: Path) -> None:
        out = tmp_path / "a" / "b" / "bundle"
        with new_folder(out) as folder:
            (folder / "x").write_bytes(b"x")
            assert not out.exists()
        assert (out / "x").read_bytes() == b"x"

    @pytest.mark.parametrize("precision", ["int4", "", "FP32", "bf16"])
    def test_an_unknown_precision_is_refused_with_those_that_are_known(
        self, export: Callable[..., Any], tmp_path: Path, precision: str
    ) -> None:
        with pytest.raises(InputError, match=f"precision: {precision!r} is not accepted.*fp32, fp16, int8"):
            export(tmp_path / "out", precision=precision)
        assert list(tmp_path.iterdir()) == []

    def test_int8_needs_pictures(self, export: Callable[..., Any], tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"calibration: int8 is fitted on images.*--calibration"):
            export(tmp_path / "out", precision="int8")
        assert list(tmp_path.iterdir()) == []
