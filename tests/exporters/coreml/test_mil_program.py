"""Programs written to disk by coremltools, read back and executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sam_edge.errors import ExportError, InputError
from sam_edge.exporters.coreml.compress import Compression, compress
from sam_edge.exporters.coreml.convert import save_package
from sam_edge.exporters.coreml.coremltools_quiet import coremltools, quiet
from sam_edge.exporters.coreml.evaluate_mil import Evaluator, read_package

if TYPE_CHECKING:
    from collections.abc import Callable

    from sam_edge.exporters.coreml.evaluate_mil import Program

with quiet():
    from coremltools.converters.mil.mil import Builder as mb

INPUTS, OUTPUTS = 32, 48
GENERATOR = np.random.default_rng(0)
WEIGHT = GENERATOR.normal(size=(OUTPUTS, INPUTS)).astype(np.float32) * np.geomspace(0.1, 10, OUTPUTS)[:, None]
WEIGHT = WEIGHT.astype(np.float32)
GIVEN = GENERATOR.normal(size=(1, 4, INPUTS)).astype(np.float32)


def product() -> Any:
    """A program of one linear layer."""

    def program(x: Any) -> Any:
        return mb.linear(x=x, weight=WEIGHT, name="y")

    specs = [mb.TensorSpec(shape=GIVEN.shape)]
    return mb.program(input_specs=specs, opset_version=coremltools.target.iOS17)(program)


@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-6), (True, 2e-3)])
def test_what_was_written_is_what_runs(written: Callable[..., Program], half: bool, tolerance: float) -> None:
    """In fp32 to the last digits; in fp16 with its rounding, which is not nothing."""
    program = written(product(), half=half)
    assert program.specification == 8
    assert program.kinds() >= {"linear"}
    made = Evaluator(program)({"x": GIVEN})["y"]
    expected = GIVEN @ WEIGHT.T
    error = np.abs(made - expected).max() / np.abs(expected).max()
    assert made.dtype == np.float32
    assert error < tolerance
    assert half == (error > 1e-5)


def test_watching(written: Callable[..., Program]) -> None:
    """Every operation is shown with its results, in order."""
    seen: list[tuple[str, float]] = []
    made = Evaluator(written(product()))(
        {"x": GIVEN},
        watch=lambda operation, call, results: seen.append((call.kind, float(results[0].abs().max()))),
    )
    assert seen == [("linear", float(np.abs(made["y"]).max()))]


@pytest.mark.parametrize(
    ("how", "newer", "tolerance"),
    [
        (Compression(8, 16), False, 0.005),
        (Compression(6, 16), False, 0.3),
        (Compression(6, 16, 4), True, 0.03),
        (Compression(4, 16, 4), True, 0.1),
    ],
)
def test_compressed_weights(how: Compression, newer: bool, tolerance: float, tmp_path: Path) -> None:
    """Fewer bits round more; tables of a group of rows fit rows of different size, one table does not."""
    target = coremltools.target.iOS18 if newer else coremltools.target.iOS17
    with quiet():
        model = coremltools.convert(
            product(),
            convert_to="mlprogram",
            minimum_deployment_target=target,
            compute_precision=coremltools.precision.FLOAT32,
            skip_model_load=True,
        )
    save_package(compress(model, how), tmp_path / "small.mlpackage")
    program = read_package(tmp_path / "small.mlpackage")
    assert program.specification == (9 if newer else 8)
    assert any(kind.startswith("constexpr_") for kind in program.kinds())
    made = Evaluator(program)({"x": GIVEN})["y"]
    expected = GIVEN @ WEIGHT.T
    error = float(np.linalg.norm(made - expected) / np.linalg.norm(expected))
    assert 1e-4 < error < tolerance


def test_an_operation_that_is_not_known(written: Callable[..., Program]) -> None:
    """It is named before anything runs."""

    def program(x: Any) -> Any:
        return mb.cumsum(x=x, axis=1)

    specs = [mb.TensorSpec(shape=(2, 3))]
    compiled = mb.program(input_specs=specs, opset_version=coremltools.target.iOS17)(program)
    with pytest.raises(ExportError, match="cumsum"):
        Evaluator(written(compiled))


@pytest.mark.parametrize(
    "inputs", [{}, {"z": GIVEN}, {"x": GIVEN, "z": GIVEN}, {"x": GIVEN[0]}, {"x": GIVEN[:, :, :3]}]
)
def test_wrong_inputs(written: Callable[..., Program], inputs: dict[str, Any]) -> None:
    """Names and shapes are checked."""
    evaluator = Evaluator(written(product()))
    with pytest.raises(InputError, match="accepted"):
        evaluator(inputs)


class TestDamage:
    """A damaged package is an error that says where."""

    @pytest.fixture
    def package(self, written: Callable[..., Program], tmp_path: Path) -> Path:
        """A good one."""
        written(product())
        return tmp_path / "made.mlpackage"

    def test_no_package(self, tmp_path: Path) -> None:
        """A folder without a list."""
        with pytest.raises(ExportError, match=r"no \.mlpackage"):
            read_package(tmp_path)

    def test_a_list_without_a_model(self, package: Path) -> None:
        """Its root is not listed."""
        (package / "Manifest.json").write_text(
            json.dumps({"itemInfoEntries": {}, "rootModelIdentifier": "x"})
        )
        with pytest.raises(ExportError, match=r"no \.mlpackage"):
            read_package(package)

    def test_a_specification_that_is_no_protobuf(self, package: Path) -> None:
        """Random bytes."""
        next(package.rglob("*.mlmodel")).write_bytes(b"\xff" * 100)
        with pytest.raises(ExportError, match=r"cannot be read|no ML program"):
            read_package(package)

    def test_another_function(self, package: Path) -> None:
        """A function that is not there."""
        with pytest.raises(ExportError, match="function 'other'"):
            read_package(package, "other")

    def test_weights_cut_short(self, package: Path) -> None:
        """An incomplete copy."""
        weights = next(package.rglob("weight.bin"))
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(ExportError, match="ends inside"):
            read_package(package)

    def test_weights_elsewhere(self, package: Path) -> None:
        """A specification that names a file outside of its package."""
        path = next(package.rglob("*.mlmodel"))
        content = path.read_bytes()
        inside = b"@model_path/weights/weight.bin"
        outside = b"@model_path/../../../../secret"
        assert len(inside) == len(outside)
        path.write_bytes(content.replace(inside, outside))
        with pytest.raises(ExportError, match="leads out"):
            read_package(package)
