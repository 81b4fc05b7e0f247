"""The follower's weights on disk: safetensors, with the configuration as metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file

from sam_edge.errors import InputError
from sam_edge.nn.follower import Follower, FollowerConfig


def save_follower(path: Path, model: Follower, facts: dict[str, str]) -> None:
    """Write weights.

    Args:
        path: the file, `.safetensors`.
        model: the network.
        facts: further metadata, such as the seed and the score.
    """
    metadata = {**facts, "config": json.dumps(asdict(model.config))}
    temporary = path.with_suffix(".partial")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, temporary, metadata)
    temporary.replace(path)


def load_follower(path: Path) -> Follower:
    """Read weights that `save_follower` wrote.

    Raises:
        InputError: there is no such file, or it is not a follower's.
    """
    if not path.is_file():
        raise InputError(f"follower: no such file: {path}")
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        if "config" not in metadata:
            raise InputError(
                f"follower: {path} holds no configuration; accepted: a file of `sam-edge train follower`"
            )
        model = Follower(parse_config(json.loads(metadata["config"])))
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return model.eval()


def parse_config(content: dict[str, Any]) -> FollowerConfig:
    """Read a configuration from JSON, where tuples are lists."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return FollowerConfig(**values)
