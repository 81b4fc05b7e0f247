"""Reading checkpoints: the official key format, without ever running code from a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from sam_edge.errors import CheckpointError, MissingExtraError
from sam_edge.nn.sam import Sam, mobile_sam

UNUSED = ("image_encoder.norm_head.", "image_encoder.head.")
"""TinyViT's classification head: in the official file, not in the model."""


def sha256_of(path: Path) -> str:
    """Hash a file without holding it in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors: `.safetensors`, or torch's own format with `weights_only`.

    Raises:
        CheckpointError: the file is missing, is neither format, or holds anything but tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint: no such file: {path}")
    if path.suffix == ".safetensors":
        state = read_safetensors(path)
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file makes torch's reader raise nearly anything
            raise CheckpointError(
                f"checkpoint: {path} cannot be read as tensors only ({first_line(error)}); "
                "accepted: the official mobile_sam.pt, or a .safetensors file"
            ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"checkpoint: {path} is not a dictionary of tensors")
    return state


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingExtraError(
            "safetensors", extra="export", purpose="reading a .safetensors file"
        ) from error
    try:
        state: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"checkpoint: {path} is not a safetensors file ({first_line(error)})"
        ) from error
    return state


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def load_into(model: Sam, state: dict[str, Tensor], *, origin: str) -> None:
    """Copy `state` into `model`.

    Raises:
        CheckpointError: names every missing, extra or misshapen key.
    """
    wanted = {
        key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    given = {
        key: value
        for key, value in state.items()
        if not key.startswith(UNUSED) and not key.endswith("num_batches_tracked")
    }
    missing = [key for key in wanted if key not in given]
    extra = [key for key in given if key not in wanted]
    misshapen = [
        f"{key} {tuple(given[key].shape)}, expected {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in given and given[key].shape != value.shape
    ]
    problems = [
        f"{name}: {', '.join(keys)}"
        for name, keys in (("missing", missing), ("extra", extra), ("wrong shape", misshapen))
        if keys
    ]
    if problems:
        raise CheckpointError(f"checkpoint: {origin} does not fit the model; " + "; ".join(problems))
    model.load_state_dict(given, strict=False)


def load_mobile_sam(path: str | Path) -> Sam:
    """Build MobileSAM and load the official checkpoint's format into it, in evaluation mode.

    Raises:
        CheckpointError: the file cannot be read or its keys or shapes differ.
    """
    model = mobile_sam()
    load_into(model, read_state(Path(path)), origin=str(path))
    return model.eval()
