"""Messages about the objects that a session knows: labels, events, confirmation, and requests to change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from sam_edge.identity.events import KnownObject, ObjectEvent
from sam_edge.wire.server_messages import FrameSelection


class ObjectAction(IntEnum):
    """What a command about objects does."""

    LIST = 1
    """Only asks for the known objects."""
    RENAME = 2
    """Give an object a label, or take it away."""
    MERGE = 3
    """Make one object of two."""
    FORGET = 4
    """Forget an object, and unpin it."""


@dataclass(frozen=True, slots=True)
class ObjectCommand:
    """Changes the known objects, or asks for them. An `ObjectList` answers it."""

    command_id: int
    """Chosen by the client; the answer repeats it."""
    action: ObjectAction
    object_id: int = 0
    """The object; of two to merge, the one that keeps its number. 0 with `LIST`."""
    other_id: int = 0
    """`MERGE`: the object whose number is no longer used; else 0."""
    label: str | None = None
    """`RENAME`: the label; None takes it away."""


@dataclass(frozen=True, slots=True)
class ConfirmationRequest:
    """From now on, the server sends `Unconfirmed` before the selections that need it."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The gaze target of a frame looks like background, and one dwell alone does not make it the target for sure.

    It is sent before the frame's selection to clients that sent a `ConfirmationRequest`.
    """

    frame_id: int
    """The client's number of the frame."""
    object_id: int
    """The gaze target."""

    @classmethod
    def of(cls, selection: FrameSelection) -> Unconfirmed | None:
        """Return what a selection's own message leaves out; None where there is no such target."""
        target = selection.gaze_target
        return None if selection.confirmed or target is None else cls(selection.frame_id, target.object_id)

    def add_to(self, selection: FrameSelection) -> FrameSelection:
        """Return the selection as not confirmed, if it is that of the same frame."""
        return replace(selection, confirmed=False) if selection.frame_id == self.frame_id else selection


@dataclass(frozen=True, slots=True)
class ObjectList:
    """The objects that the client's session knows."""

    command_id: int
    """The client's number of the command."""
    session: int
    """Number of the session, as in selections."""
    objects: tuple[KnownObject, ...] = ()
    """By their number."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Labels and events of a frame, sent before the frame's selection to clients that sent an `ObjectCommand`."""

    frame_id: int
    """The client's number of the frame."""
    labels: Mapping[int, str]
    """Labels of the selection's objects, by the object's number; objects without a label are left out."""
    events: tuple[ObjectEvent, ...] = ()
    """What happened to objects since the selection before."""

    @classmethod
    def of(cls, selection: FrameSelection) -> ObjectInfo | None:
        """Return what a selection's own message leaves out; None when that is nothing."""
        labels = {item.object_id: item.label for item in selection.objects if item.label is not None}
        if not labels and not selection.events:
            return None
        return cls(selection.frame_id, labels, selection.events)

    def add_to(self, selection: FrameSelection) -> FrameSelection:
        """Return the selection with its labels and events, if it is that of the same frame."""
        if selection.frame_id != self.frame_id:
            return selection
        objects = tuple(replace(item, label=self.labels.get(item.object_id)) for item in selection.objects)
        return replace(selection, objects=objects, events=self.events)
