"""Bundles of Core ML packages: what is written, and that it runs as the model does."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from sam_edge.bundle import MANIFEST, Bundle, hash_file, read_manifest
from sam_edge.errors import EngineError, ExportError, InputError
from sam_edge.exporters.coreml.bundle import RECIPES, export_coreml
from sam_edge.exporters.coreml.convert import convert_encoder, save_package
from sam_edge.exporters.coreml.evaluate_mil import Composite, Evaluator, read_package
from sam_edge.exporters.coreml.mil_runtime import MilRuntime
from sam_edge.exporters.rounding import Rounding, linear_layers
from sam_edge.runtimes.base import RuntimeOptions
from sam_edge.runtimes.coreml import CoreML, input_size
from sam_edge.runtimes.torch import Torch

if TYPE_CHECKING:
    from sam_edge.nn import Sam

pytestmark = pytest.mark.slow

SMALL = (224, 224)
IOS_17 = 8
MAX_DISTURBANCE = 0.06
"""Relative error from 8-bit weights. Random weights amplify rounding; a wrong operation gives an error of about 1."""


@pytest.fixture(scope="module")
def opened(small_bundle: Path) -> Bundle:
    """The small bundle with its manifest."""
    return Bundle(small_bundle, read_manifest(small_bundle / MANIFEST))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A picture with structure at several scales."""
    y, x = np.mgrid[: SMALL[0], : SMALL[1]]
    waves = [np.sin(x / 3 + y / 9), np.cos(y / 21), np.sin(x * y / 900)]
    return (127 + 120 * np.stack(waves, -1)).astype(np.uint8)[None]


def prompts(rows: int, columns: int) -> tuple[np.ndarray, ...]:
    """Three prompts: a point, three points, a box with a mask prompt; padded to three points each."""
    points = np.array(
        [[[50, 60], [0, 0], [0, 0]], [[9, 9], [200, 30], [80, 90]], [[20, 30], [150, 170], [0, 0]]]
    )
    labels = np.array([[1, -1, -1], [1, 0, 1], [2, 3, -1]], np.int32)
    mask = np.random.default_rng(0).normal(size=(3, 1, 4 * rows, 4 * columns)).astype(np.float32)
    return points.astype(np.float32), labels, mask, np.array([0, 0, 1], np.float32)


def test_manifest_describes_every_file(opened: Bundle) -> None:
    """Folders are listed file by file, with slashes, and nothing else lies in the bundle."""
    manifest, folder = opened.manifest, opened.folder
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {entry.path for entry in manifest.files} == present - {MANIFEST}
    assert "encoder_224x224.mlpackage/Data/com.apple.CoreML/model.mlmodel" in present
    assert not any("executorch" in path for path in present)
    for entry in manifest.files:
        path = folder / entry.path
        assert (entry.bytes, entry.sha256) == (path.stat().st_size, hash_file(path))
    assert (manifest.target, manifest.precision, manifest.sizes) == ("coreml", "int8_weights", (SMALL,))
    assert manifest.tools["coremltools"]


def test_graphs_are_described_as_they_lie_on_disk(opened: Bundle) -> None:
    """Shapes and types, with the picture as people see it."""
    encoder, decoder = (opened.manifest.graphs_of(role)[0] for role in ("encoder", "decoder"))
    assert [(entry.name, entry.shape, entry.dtype) for entry in (*encoder.inputs, *encoder.outputs)] == [
        ("image", (1, 224, 224, 3), "uint8"),
        ("embedding", (1, 256, 14, 14), "float16"),
    ]
    assert {entry.name: (entry.shape, entry.dtype) for entry in (*decoder.inputs, *decoder.outputs)} == {
        "embedding": ((1, 256, 14, 14), "float16"),
        "points": ((1, 11, 2), "float32"),
        "labels": ((1, 11), "int32"),
        "mask": ((1, 1, 56, 56), "float32"),
        "has_mask": ((1,), "float32"),
        "logits": ((1, 4, 56, 56), "float32"),
        "scores": ((1, 4), "float32"),
    }
    assert input_size(encoder) == input_size(decoder) == SMALL


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_programs_suit_core_ml(opened: Bundle, role: str) -> None:
    """iOS 17, at most five axes, half precision but for the angles of points, 8-bit weights."""
    program = read_package(opened.path_of(opened.manifest.graphs_of(role)[0]))
    assert program.specification == IOS_17
    assert program.deepest_rank <= 5
    assert program.image_inputs == ({"image"} if role == "encoder" else set())
    wide = {
        operation.kind
        for operation in program.operations
        if operation.outputs[0][1].dtype == "FLOAT32" and operation.kind != "cast"
    }
    allowed = (
        set() if role == "encoder" else {"add", "mul", "sub", "matmul", "linear", "real_div", "sin", "cos"}
    )
    assert wide <= allowed
    assert "constexpr_affine_dequantize" in program.kinds()


@pytest.mark.parametrize("composite", Composite)
def test_agrees_with_torch(
    opened: Bundle, random_model: Sam, image: np.ndarray, composite: Composite
) -> None:
    """Embedding, logits and scores, prompts of different kinds at once."""
    reference = Torch(random_model, RuntimeOptions(threads=torch.get_num_threads()))
    with MilRuntime(opened, composite=composite) as model:
        ours, theirs = model.encode(image), reference.encode(image)
        assert ours.dtype == np.float32
        assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < MAX_DISTURBANCE
        given = prompts(*theirs.shape[2:])
        for made, expected in zip(
            model.decode(theirs, *given), reference.decode(theirs, *given), strict=True
        ):
            assert made.shape == expected.shape
            assert np.linalg.norm(made - expected) / np.linalg.norm(expected) < MAX_DISTURBANCE


def test_several_pictures_are_each_encoded(opened: Bundle, image: np.ndarray) -> None:
    """A batch gives what its pictures give one by one."""
    with MilRuntime(opened) as model:
        other = image[:, ::-1].copy()
        both = model.encode(np.concatenate([image, other]))
        assert np.array_equal(both[:1], model.encode(image))
        assert not np.array_equal(both[1], both[0])


def test_what_does_not_fit(opened: Bundle, image: np.ndarray) -> None:
    """Other sizes, too many points, options that mean nothing here, and use after closing."""
    model = MilRuntime(opened)
    with pytest.raises(InputError, match="448x224 is not in this bundle; accepted: 224x224"):
        model.encode(np.zeros((1, 224, 448, 3), np.uint8))
    _, _, mask, has_mask = prompts(14, 14)
    with pytest.raises(InputError, match="up to 11"):
        model.decode(
            np.zeros((1, 256, 14, 14), np.float32),
            np.zeros((3, 12, 2), np.float32),
            np.ones((3, 12), np.int32),
            mask,
            has_mask,
        )
    with pytest.raises(InputError, match="precision"):
        MilRuntime(opened, RuntimeOptions(precision="bf16"))
    model.close()
    model.close()
    with pytest.raises(EngineError, match="closed"):
        model.encode(image)


@pytest.mark.skipif(platform.system() == "Darwin", reason="Core ML runs here")
def test_core_ml_itself_is_for_macos(opened: Bundle) -> None:
    """The message says what to do elsewhere."""
    with pytest.raises(EngineError, match=f"this is {platform.system()}; `sam-edge verify`"):
        CoreML(opened, RuntimeOptions())


@pytest.mark.skipif(platform.system() != "Darwin", reason="Core ML runs on macOS only")
def test_core_ml_agrees_with_the_evaluator(opened: Bundle, image: np.ndarray) -> None:
    """The same bundle on the engine itself."""
    with CoreML(opened, RuntimeOptions(device="CPU_ONLY")) as real, MilRuntime(opened) as model:
        expected = model.encode(image)
        made = real.encode(image)
        assert np.linalg.norm(made - expected) / np.linalg.norm(expected) < 0.02


def test_rounded_activations(random_model: Sam, image: np.ndarray, tmp_path: Path) -> None:
    """Each layer of the plan gets one rounding, with the plan's scale, and the result is close."""
    plan = {name: Rounding(scale=0.05, zero_point=128) for name in list(linear_layers(random_model))[:4]}
    save_package(convert_encoder(random_model, SMALL, half=True, plan=plan), tmp_path / "encoder.mlpackage")
    program = read_package(tmp_path / "encoder.mlpackage")
    kinds = [operation.kind for operation in program.operations]
    assert kinds.count("quantize") == kinds.count("dequantize") == len(plan)
    given = image[0].transpose(2, 0, 1)[None].astype(np.float32)
    seen: list[tuple[int, int]] = []
    made = Evaluator(program)(
        {"image": given},
        watch=lambda operation, call, results: (
            seen.append((int(results[0].min()), int(results[0].max()))) if call.kind == "quantize" else None
        ),
    )["embedding"]
    assert all(-128 <= low < 0 < high <= 127 for low, high in seen)
    with torch.inference_mode():
        expected = random_model.encode(torch.from_numpy(image)).numpy()
    error = np.linalg.norm(made - expected) / np.linalg.norm(expected)
    assert 1e-3 < error < 0.2


def test_a_plan_of_other_layers(random_model: Sam) -> None:
    """A plan that does not fit is an error."""
    for name in ("sam.image_encoder.nowhere.weight", "sam.image_encoder.neck.weight"):
        with pytest.raises(ExportError, match="coreml"):
            convert_encoder(random_model, SMALL, half=True, plan={name: Rounding(0.1, 0)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int3"}, f"accepted for coreml: {', '.join(RECIPES)}|accepted: {', '.join(RECIPES)}"),
        ({"sizes": []}, "sizes: none given"),
        ({"sizes": [(224, 230)]}, "multiples of 16"),
        ({"precision": "int8"}, "--calibration"),
    ],
)
def test_refused_before_work_begins(
    random_model: Sam, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    """Nothing is written."""
    with pytest.raises(InputError, match=message):
        export_coreml(random_model, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_bundle_is_kept(random_model: Sam, tmp_path: Path) -> None:
    """Somebody's files are not replaced."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="is no bundle"):
        export_coreml(random_model, tmp_path)
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == '["notes.txt"]'
