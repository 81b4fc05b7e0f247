"""Answers as the page sends them: JSON, with every value checked."""

from __future__ import annotations

import json
from collections.abc import Callable

from sam_edge.annotate.answers import (
    OBJECT,
    Accept,
    Answer,
    Box,
    ChooseMask,
    Delete,
    EndStage,
    ExcludeGaze,
    Point,
    Reject,
    Relabel,
    Undo,
    normalize_label,
)
from sam_edge.errors import InputError
from sam_edge.masks.files import Entry

DECODERS: dict[str, Callable[[Entry], Answer]] = {
    "accept": lambda entry: Accept(normalize_label(entry.text("category", OBJECT))),
    "reject": lambda entry: Reject(),
    "choose-mask": lambda entry: ChooseMask(entry.whole("mask") if "mask" in entry.values else None),
    "point": lambda entry: Point(
        entry.number("x"), entry.number("y"), entry.values.get("positive", True) is True
    ),
    "box": lambda entry: Box(*entry.numbers("box", 4)),
    "exclude-gaze": lambda entry: ExcludeGaze(),
    "undo": lambda entry: Undo(),
    "delete": lambda entry: Delete(entry.whole("number")),
    "relabel": lambda entry: Relabel(entry.whole("number"), normalize_label(entry.text("category"))),
    "end-stage": lambda entry: EndStage(),
}
"""How each action of the page becomes an answer."""


def decode_answer(body: bytes) -> tuple[int, Answer]:
    """Decode a request of the page.

    Returns:
        The state that the page showed when the answer was given, and the answer.

    Raises:
        InputError: the body is not JSON, or a value is not accepted.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"body: not JSON ({error})") from error
    entry = Entry.of(content, "body")
    action = entry.text("action")
    if action not in DECODERS:
        raise entry.error("action", action, ", ".join(DECODERS))
    return entry.whole("state"), DECODERS[action](entry)
