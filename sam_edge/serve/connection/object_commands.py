"""Runs a client's commands about the objects that its session knows."""

from __future__ import annotations

import unicodedata

from sam_edge.errors import InputError
from sam_edge.identity import KnownObject, ObjectsKeptError
from sam_edge.stream.session import GazeSession
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.messages import ObjectAction, ObjectCommand

REFUSED_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of characters that labels must not contain: controls, surrogates, line and paragraph ends."""


def run_object_command(
    session: GazeSession | None, command: ObjectCommand, *, label_characters: int
) -> tuple[KnownObject, ...]:
    """Run a command on a session; None is a client without one, which knows no objects. Returns its objects then.

    Raises:
        ProtocolError: an object is not known, the label is not accepted, or as many have one as may have.
    """
    label = check_label(command.label, label_characters)
    if command.action is ObjectAction.MERGE and command.object_id == command.other_id:
        raise ProtocolError(
            f"merge: {command.object_id} and {command.other_id}; give two objects", ErrorCode.INVALID_OPTION
        )
    if session is None:
        if command.action is not ObjectAction.LIST:
            raise ProtocolError(
                f"object: {command.object_id} is not known; there was no frame yet", ErrorCode.UNKNOWN_OBJECT
            )
        return ()
    try:
        _change(session, command, label)
    except ObjectsKeptError as error:
        raise ProtocolError(str(error), ErrorCode.INVALID_OPTION) from error
    except InputError as error:
        raise ProtocolError(str(error), ErrorCode.UNKNOWN_OBJECT) from error
    return session.objects


def pin_object(session: GazeSession, at_ns: int | None = None) -> int:
    """Pin an object as `GazeSession.pin` does, and return its number; 0 when there is nothing to pin.

    Raises:
        ProtocolError: as many objects are pinned or labelled as may be.
    """
    try:
        return session.pin(at_ns) or 0
    except ObjectsKeptError as error:
        raise ProtocolError(str(error), ErrorCode.INVALID_OPTION) from error


def _change(session: GazeSession, command: ObjectCommand, label: str | None) -> None:
    if command.action is ObjectAction.RENAME:
        session.rename(command.object_id, label)
    elif command.action is ObjectAction.MERGE:
        session.merge(command.object_id, command.other_id)
    elif command.action is ObjectAction.FORGET:
        session.forget(command.object_id)


def check_label(label: str | None, most_characters: int) -> str | None:
    """Return a label without spaces around it; None when nothing remains.

    Raises:
        ProtocolError: it is too long, or has characters that do not belong on one line of text.
    """
    text = (label or "").strip(" ")
    if len(text) > most_characters:
        raise ProtocolError(
            f"label: it has {len(text)} characters; accepted: at most {most_characters}",
            ErrorCode.INVALID_OPTION,
        )
    for character in text:
        if unicodedata.category(character) in REFUSED_CATEGORIES:
            raise ProtocolError(
                f"label: it has the character U+{ord(character):04X}; accepted: one line of text without controls",
                ErrorCode.INVALID_OPTION,
            )
    return text or None
