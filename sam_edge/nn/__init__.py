"""The model in torch: written for export, loading the official checkpoint's format. Needs the `export` extra."""

try:
    import torch  # noqa: F401
except ImportError as error:
    from sam_edge.errors import MissingExtraError

    raise MissingExtraError("torch", extra="export", purpose="the model in torch") from error

from sam_edge.nn.checkpoint import load_mobile_sam, load_model, read_state, recognise
from sam_edge.nn.sam import MODELS, ORIGINS, DecoderHalf, EncoderHalf, PointDecoderHalf, Sam, mobile_sam

__all__ = [
    "MODELS",
    "ORIGINS",
    "DecoderHalf",
    "EncoderHalf",
    "PointDecoderHalf",
    "Sam",
    "load_mobile_sam",
    "load_model",
    "mobile_sam",
    "read_state",
    "recognise",
]
