"""Embeddings on disk: safetensors files with the array, its view, and the hash of the weights."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import InputError, MissingExtraError
from sam_edge.geometry import STRIDE, Placement, View
from sam_edge.media.atomic import write_atomically
from sam_edge.segmenter import Embedding, Segmenter

SCHEMA = 1
KEY = "sam_edge"
"""Name under which the file's metadata holds the view, as JSON."""


def save_embedding(path: str | Path, embedding: Embedding, *, model: Segmenter | None = None) -> None:
    """Write an embedding; nothing half-written ever stands under `path`.

    Args:
        path: the file, by custom its name ends in `.safetensors`.
        embedding: from `Segmenter.encode`.
        model: the model that made it; loading can then refuse to decode it with other weights.

    Raises:
        MissingExtraError: safetensors is not installed.
        MediaError: the file cannot be written.
    """
    _need_safetensors()
    from safetensors.numpy import save

    view, placement = embedding.view, embedding.placement
    facts = {
        "schema": SCHEMA,
        "view": [view.x0, view.y0, view.width, view.height],
        "size": list(placement.size),
        "frame_size": list(embedding.frame_size),
        "time_ns": embedding.time_ns,
        "weights": weights_of(model),
    }
    data = save({"embedding": np.ascontiguousarray(embedding.data)}, {KEY: json.dumps(facts)})
    with write_atomically(Path(path)) as part:
        part.write_bytes(data)


def load_embedding(path: str | Path, *, model: Segmenter | None = None) -> Embedding:
    """Read an embedding that `save_embedding` wrote.

    Args:
        path: the file.
        model: the model that will decode it; None skips the comparison of weights.

    Raises:
        InputError: the file is missing, damaged, not written by sam-edge, or its weights are not the model's.
        MissingExtraError: safetensors is not installed.
    """
    _need_safetensors()
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads((file.metadata() or {})[KEY])
            data = file.get_tensor("embedding")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: no embedding that sam-edge wrote, or damaged ({error})") from error
    embedding = _check_metadata(path, facts, data)
    recorded, present = facts.get("weights", ""), weights_of(model)
    if recorded and present and recorded != present:
        raise InputError(
            f"{path}: made with the weights {recorded[:12]}..., the model has {present[:12]}...; encode the image again"
        )
    return embedding


def weights_of(model: Segmenter | None) -> str:
    """Return the hash of the checkpoint that a model goes back to; empty where it is not known."""
    if model is None or model.bundle is None:
        return ""
    return model.bundle.manifest.checkpoint_sha256 or ""


def _check_metadata(path: Path, facts: Any, data: Any) -> Embedding:
    accepted = f"{path}: its metadata do not fit; written by a newer version, or damaged"
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise InputError(accepted)
    try:
        view = View(*facts["view"])
        size = (int(facts["size"][0]), int(facts["size"][1]))
        frame_size = (int(facts["frame_size"][0]), int(facts["frame_size"][1]))
        time_ns = int(facts["time_ns"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{accepted} ({error})") from error
    if data.dtype != np.float32 or data.shape != (1, 256, size[0] // STRIDE, size[1] // STRIDE):
        raise InputError(f"{path}: holds {data.dtype} {data.shape} for an input of {size}; damaged")
    return Embedding(data, Placement(view, size), frame_size, time_ns)


def _need_safetensors() -> None:
    if importlib.util.find_spec("safetensors") is None:
        raise MissingExtraError("safetensors", extra="embeddings", purpose="an embedding on disk")
