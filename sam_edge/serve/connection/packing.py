"""From a session's selection to the message that tells of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sam_edge.masks import Rle, mask_to_box, mask_to_polygons
from sam_edge.media.png import encode_png
from sam_edge.stream.selection import Selection
from sam_edge.wire.messages import Box, Frame, MaskFormat, Selected, Thing, Wanted, runs_of

THINGS_TOLD = 32
"""Most things in a message: what was selected on purpose is never let go by itself."""


def pack(
    selection: Selection,
    frame: Frame,
    wanted: Wanted,
    *,
    session: int,
    received_ns: int,
    stages_ms: Mapping[str, float],
) -> Selected:
    """Tell what is selected on a frame.

    Args:
        selection: what the session said of it.
        frame: as it came.
        wanted: what the client wants of each thing.
        session: the session's number.
        received_ns: when the frame had arrived, on the server's clock.
        stages_ms: milliseconds of each stage.

    Returns:
        The message, with 0 for the time at which it is sent.
    """
    kept = {one.object_id: one for one in selection.pinned}
    things = []
    if selection.mask is not None and selection.object_id is not None and selection.box is not None:
        things.append(
            thing_of(
                selection.object_id,
                selection.mask,
                math.nan if selection.score is None else selection.score,
                wanted,
                meant=True,
                kept=kept.pop(selection.object_id, None) is not None,
            )
        )
    things += [
        thing_of(one.object_id, one.mask, one.score, wanted, meant=False, kept=True) for one in kept.values()
    ]
    return Selected(
        frame_id=frame.frame_id,
        frame_time_ns=frame.time_ns,
        received_ns=received_ns,
        sent_ns=0,
        session=session,
        frame_size=frame.size,
        state=selection.state,
        source=selection.origin,
        age_ms=selection.age_ms,
        fixation=selection.fixation,
        things=tuple(thing for thing in things if thing is not None)[:THINGS_TOLD],
        stages_ms=stages_ms,
    )


def thing_of(
    object_id: int, mask: NDArray[np.bool_], score: float, wanted: Wanted, *, meant: bool, kept: bool
) -> Thing | None:
    """Tell of one thing; None when its mask is empty."""
    box = mask_to_box(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = (int(side) for side in box)
    part = mask[y0:y1, x0:x1]
    polygons = mask_to_polygons(part, tolerance_px=wanted.tolerance_px) if wanted.polygons else []
    return Thing(
        object_id=object_id,
        meant=meant,
        kept=kept,
        score=0.0 if math.isnan(score) else score,
        box=tuple_of(box),
        area_px=int(np.count_nonzero(part)),
        rectangle=(x0, y0, x1 - x0, y1 - y0),
        format=wanted.mask,
        mask_data=mask_bytes(mask, part, wanted.mask),
        polygons=tuple((polygon + np.array([x0, y0])).astype(np.float32) for polygon in polygons),
    )


def mask_bytes(mask: NDArray[np.bool_], part: NDArray[np.bool_], form: MaskFormat) -> bytes:
    """Write a mask: `mask` is the whole frame's, `part` what its box holds."""
    if form is MaskFormat.NONE:
        return b""
    if form is MaskFormat.RUNS:
        return runs_of(part)
    return encode_png(part) if form is MaskFormat.PNG else Rle.from_mask(mask).text.encode("ascii")


def tuple_of(box: Box) -> Box:
    """Return a box as plain numbers."""
    x0, y0, x1, y1 = (float(side) for side in box)
    return x0, y0, x1, y1
