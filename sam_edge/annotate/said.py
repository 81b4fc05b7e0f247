"""Answers as the page sends them: JSON, with every value checked."""

from __future__ import annotations

import json
from collections.abc import Callable

from sam_edge.annotate.answers import (
    OBJECT,
    Accept,
    Answer,
    Box,
    Delete,
    EndStage,
    Point,
    Reject,
    Relabel,
    Take,
    Undo,
    WithoutGaze,
    label_of,
)
from sam_edge.errors import InputError
from sam_edge.masks.files import Entry

READERS: dict[str, Callable[[Entry], Answer]] = {
    "accept": lambda said: Accept(label_of(said.text("category", OBJECT))),
    "reject": lambda said: Reject(),
    "take": lambda said: Take(said.whole("mask") if "mask" in said.values else None),
    "point": lambda said: Point(said.number("x"), said.number("y"), said.values.get("on", True) is True),
    "box": lambda said: Box(*said.numbers("box", 4)),
    "without-gaze": lambda said: WithoutGaze(),
    "undo": lambda said: Undo(),
    "delete": lambda said: Delete(said.whole("number")),
    "relabel": lambda said: Relabel(said.whole("number"), label_of(said.text("category"))),
    "end-stage": lambda said: EndStage(),
}
"""What the page can say."""


def read_answer(body: bytes) -> tuple[int, Answer]:
    """Read what the page says: the state that it answers to, and the answer.

    Raises:
        InputError: it is not JSON, or a value is not accepted.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"body: not JSON ({error})") from error
    said = Entry.of(content, "body")
    action = said.text("action")
    if action not in READERS:
        raise said.error("action", action, ", ".join(READERS))
    return said.whole("state"), READERS[action](said)
