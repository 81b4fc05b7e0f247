"""What the tests of Core ML packages share: one small bundle, converted once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sam_edge.exporters.coreml.evaluate_mil import Program
    from sam_edge.nn import Sam

pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
pytest.importorskip("google.protobuf", reason="needs coremltools: pip install 'sam-edge[export]'")

SMALL = (224, 224)
Written = Callable[[Any], "Program"]


@pytest.fixture(scope="session")
def random_model() -> Sam:
    """MobileSAM with random weights that keep values in a natural range, the same every time."""
    import torch

    from sam_edge.nn import mobile_sam

    torch.manual_seed(3)
    model = mobile_sam()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
        model.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.normal_()
    return model


@pytest.fixture(scope="session")
def small_bundle(random_model: Sam, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one size in fp16 with 8-bit weights."""
    from sam_edge.exporters.coreml.bundle import export_coreml

    out = tmp_path_factory.mktemp("coreml") / "bundle"
    export_coreml(random_model, out, precision="int8_weights", sizes=[SMALL])
    return out


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Compile a program of coremltools' builder, write it as a package, and read that package."""
    from sam_edge.exporters.coreml.convert import save_package
    from sam_edge.exporters.coreml.coremltools_quiet import coremltools, quiet
    from sam_edge.exporters.coreml.evaluate_mil import read_package

    def write(program: Any, *, half: bool = False, name: str = "made") -> Program:
        precision = coremltools.precision.FLOAT16 if half else coremltools.precision.FLOAT32
        with quiet():
            model = coremltools.convert(
                program,
                convert_to="mlprogram",
                minimum_deployment_target=coremltools.target.iOS17,
                compute_precision=precision,
                skip_model_load=True,
            )
        save_package(model, tmp_path / f"{name}.mlpackage")
        return read_package(tmp_path / f"{name}.mlpackage")

    return write
