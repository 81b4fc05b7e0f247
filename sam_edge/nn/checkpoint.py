"""Reading checkpoints: the official key format, without ever running code from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from sam_edge.bundle import hash_file
from sam_edge.errors import CheckpointError, InputError, MissingExtraError
from sam_edge.nn.sam import MODELS, Sam

UNUSED = ("image_encoder.norm_head.", "image_encoder.head.")
"""TinyViT's classification head: in the official file, not in the model."""
ENCODER = "image_encoder."
"""Where the models of the family differ; what follows the encoder is the same in all."""


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
                "accepted: an official SAM or MobileSAM checkpoint, or a .safetensors file"
            ) from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
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
    """Return the first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def load_into(model: Sam, state: dict[str, Tensor], *, origin: str) -> None:
    """Copy `state` into `model`.

    Raises:
        CheckpointError: names every missing, extra or misshapen key.
    """
    wanted = {
        key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    provided = {
        key: value
        for key, value in state.items()
        if not key.startswith(UNUSED) and not key.endswith("num_batches_tracked")
    }
    missing = [key for key in wanted if key not in provided]
    extra = [key for key in provided if key not in wanted]
    misshapen = [
        f"{key} {tuple(provided[key].shape)}, expected {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in provided and provided[key].shape != value.shape
    ]
    problems = [
        f"{name}: {', '.join(keys)}"
        for name, keys in (("missing", missing), ("extra", extra), ("wrong shape", misshapen))
        if keys
    ]
    if problems:
        raise CheckpointError(f"checkpoint: {origin} does not fit the model; " + "; ".join(problems))
    model.load_state_dict(provided, strict=False)


def load_mobile_sam(path: str | Path) -> Sam:
    """Build MobileSAM and load the official checkpoint's format into it, in evaluation mode.

    Raises:
        CheckpointError: the file cannot be read or its keys or shapes differ.
    """
    return load_model("mobile_sam", path)


def load_model(name: str | None, path: str | Path) -> Sam:
    """Build a model and load an official checkpoint's format into it, in evaluation mode.

    Args:
        name: one of `MODELS`; None recognises the model by the checkpoint.
        path: a `.pt`, `.pth` or `.safetensors` file.

    Raises:
        InputError: no model has that name.
        CheckpointError: the file cannot be read, is of no known model, or its keys or shapes differ.
    """
    if name is not None and name not in MODELS:
        raise InputError(f"model: {name!r} is not known; known: {', '.join(MODELS)}")
    state = read_state(Path(path))
    name = name if name is not None else recognise(state, origin=str(path))
    model = MODELS[name]()
    try:
        load_into(model, state, origin=str(path))
    except CheckpointError as error:
        held = closest(state)
        if held in (None, name):
            raise
        raise CheckpointError(
            f"checkpoint: {path} holds {held}, not {name}; give the name {held}, or none to have it recognised"
        ) from error
    model.checkpoint_sha256 = hash_file(Path(path))
    return model.eval()


def recognise(state: Mapping[str, Tensor], *, origin: str = "state") -> str:
    """Tell which of `MODELS` a checkpoint's tensors are of, by the names and shapes of the encoder's.

    Args:
        state: tensors by name; their values are not looked at.
        origin: what to call the checkpoint in an error.

    Raises:
        CheckpointError: it is of no known model.
    """
    name = closest(state)
    if name is None:
        names = ", ".join([*sorted(state)[:3], "..."][: len(state)]) or "nothing"
        raise CheckpointError(
            f"checkpoint: {origin} is of no known model; known: {', '.join(MODELS)}, each under the official key "
            f"names ({ENCODER}...). It holds {names} ({len(state)} tensors)"
        )
    return name


def closest(state: Mapping[str, Tensor]) -> str | None:
    """Return the model of which `state` holds most of the encoder, or None where it holds at most half of any.

    Half is enough, so that a damaged checkpoint is still recognised, and loading it names what is wrong with it.
    """
    shares = {name: share_present(state, build) for name, build in MODELS.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] > 0.5 else None


def share_present(state: Mapping[str, Tensor], build: Callable[[], Sam]) -> float:
    """Return the share of a model's encoder, 0..1 of its tensors, that `state` holds in the same shape."""
    with torch.device("meta"):
        wanted = build().state_dict()
    shapes = {key: value.shape for key, value in wanted.items() if key.startswith(ENCODER)}
    return sum(key in state and state[key].shape == shape for key, shape in shapes.items()) / len(shapes)
