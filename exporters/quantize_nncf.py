"""Quantization by NNCF, OpenVINO's own quantizer: the whole encoder except its most sensitive layers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from sam_edge.errors import MissingExtraError
from sam_edge.exporters.image_sets import CalibrationSet

SENSITIVE = ("layers.3.blocks.0.mlp.fc2.weight",)
"""Ends of the names of weights whose products stay in floating point: alone it costs more than all others."""
SINGLE_CHANNEL = "GroupConvolution"
"""OpenVINO's name of convolutions of one channel each, whose ranges differ a hundredfold between channels."""
INPUT = "image"
"""The encoder's input."""


def quantize_with_nncf(encoder: Any, calibration: CalibrationSet) -> Any:
    """Quantize an encoder in OpenVINO's form: MIXED preset, TRANSFORMER model.

    Args:
        encoder: OpenVINO's model, sizes open.
        calibration: what to fit on; all of it is used.

    Raises:
        MissingExtraError: NNCF is not installed.
    """
    nncf = import_nncf()
    data = nncf.Dataset([image[None] for image in calibration.images], lambda image: {INPUT: image})
    with quiet_nncf():
        return nncf.quantize(
            encoder,
            data,
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration.images),
            ignored_scope=nncf.IgnoredScope(types=[SINGLE_CHANNEL], names=sensitive_products(encoder)),
        )


@contextmanager
def quiet_nncf() -> Iterator[None]:
    """Silence NNCF's log of ignored layers, and send its progress to stderr."""
    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        logger.setLevel(level)


def sensitive_products(encoder: Any) -> list[str]:
    """Name the matrix products with a weight of `SENSITIVE`."""
    return [
        node.get_friendly_name()
        for node in encoder.get_ops()
        if node.get_type_name() == "MatMul"
        and any(value.get_node().get_friendly_name().endswith(SENSITIVE) for value in node.input_values())
    ]


def nncf_version() -> str:
    """Return NNCF's version.

    Raises:
        MissingExtraError: it is not installed.
    """
    return str(import_nncf().__version__)


def import_nncf() -> Any:
    """Import NNCF, which takes seconds, only when it is asked for.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import nncf
    except ImportError as error:
        raise MissingExtraError("nncf", extra="export", purpose="quantizing with NNCF") from error
    return nncf
