"""The layout of recordings, and older layouts brought to the newest one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sam_edge.errors import InputError
from sam_edge.serialization import from_json, to_json
from sam_edge.stream.tuning import FORMER_TUNING, SelectionTuning

SCHEMA = 3
"""Version of the layout that is written."""
READABLE = (1, 2, 3)
"""Versions of the layout that are read."""

_COMMANDS_1 = {"select": "pin", "release": "unpin"}
_STATES_1 = {"selected": "focused"}
_SELECTION_1 = {"source": "origin", "kept": "pinned"}


def upgrade_options(options: Mapping[str, Any], schema: int) -> dict[str, Any]:
    """Return a session's options, read from a file of the version `schema`, with today's names."""
    upgraded = dict(options)
    if schema == 1 and "in_thread" in upgraded:
        upgraded["mode"] = "live" if upgraded.pop("in_thread") else "sequential"
    if schema < 3:
        upgraded["identity"] = False
    return upgraded


def read_tuning(recorded: object) -> SelectionTuning:
    """Return the tuning that a recording states.

    Constants that it does not state were added after it was made: they take the values that switch them off.

    Raises:
        InputError: it is no object, or a constant has the wrong type.
    """
    if recorded is None:
        return FORMER_TUNING
    if not isinstance(recorded, Mapping):
        raise InputError(f"tuning is {recorded!r}; accepted: an object of a session's constants")
    return from_json(SelectionTuning, {**to_json(FORMER_TUNING), **recorded}, name="tuning")


def upgrade_entry(content: dict[str, Any], schema: int) -> dict[str, Any] | None:
    """Return one line of the log, read from a file of the version `schema`, with today's names.

    Returns:
        The line's content; None for a kind of line that has no meaning any more.
    """
    if schema != 1:
        return content
    kind = content["kind"]
    if kind == "fixations":
        return None
    if kind == "command":
        name = content.get("name")
        return {**content, "name": _COMMANDS_1.get(name, name) if isinstance(name, str) else name}
    if kind == "frame" and isinstance(content.get("selection"), dict):
        selection = {_SELECTION_1.get(key, key): value for key, value in content["selection"].items()}
        state = selection.get("state")
        if isinstance(state, str):
            selection["state"] = _STATES_1.get(state, state)
        return {**content, "selection": selection}
    return content
