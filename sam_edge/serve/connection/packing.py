"""Builds the selection message of a frame from a session's selection."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sam_edge.masks import Rle, mask_to_box, mask_to_polygons
from sam_edge.media.png import encode_png
from sam_edge.stream.selection import Selection
from sam_edge.wire.mask_codec import runs_of
from sam_edge.wire.messages import FrameSelection, MaskFormat, MaskOptions, SceneFrame, SelectedObject

MAX_OBJECTS = 32
"""Most objects in a message. The number of pinned objects has no limit of its own."""


def pack(
    selection: Selection,
    frame: SceneFrame,
    options: MaskOptions,
    *,
    session: int,
    received_ns: int,
    stages_ms: Mapping[str, float],
) -> FrameSelection:
    """Build the message about a frame.

    Args:
        selection: the session's selection in the frame.
        frame: the frame.
        options: what the client wants for each object.
        session: number of the session.
        received_ns: arrival of the frame, on the server's clock.
        stages_ms: duration of each processing stage.

    Returns:
        The message, with `sent_ns` 0. Labels, events and confirmation are no part of its bytes:
        see `ObjectInfo.of` and `Unconfirmed.of`.
    """
    pinned = {item.object_id: item for item in selection.pinned}
    objects = []
    if selection.mask is not None and selection.object_id is not None and selection.box is not None:
        score = math.nan if selection.score is None else selection.score
        is_pinned = pinned.pop(selection.object_id, None) is not None
        objects.append(
            pack_object(
                selection.object_id,
                selection.mask,
                score,
                options,
                gaze_target=True,
                pinned=is_pinned,
                label=selection.label,
            )
        )
    objects += [
        pack_object(
            item.object_id, item.mask, item.score, options, gaze_target=False, pinned=True, label=item.label
        )
        for item in pinned.values()
    ]
    return FrameSelection(
        frame_id=frame.frame_id,
        frame_time_ns=frame.time_ns,
        received_ns=received_ns,
        sent_ns=0,
        session=session,
        frame_size=frame.size,
        state=selection.state,
        origin=selection.origin,
        age_ms=selection.age_ms,
        fixation=selection.fixation,
        objects=tuple(item for item in objects if item is not None)[:MAX_OBJECTS],
        stages_ms=stages_ms,
        events=selection.events,
        confirmed=selection.confirmed,
    )


def pack_object(
    object_id: int,
    mask: NDArray[np.bool_],
    score: float,
    options: MaskOptions,
    *,
    gaze_target: bool,
    pinned: bool,
    label: str | None = None,
) -> SelectedObject | None:
    """Build the part of the message about one object; None if its mask is empty."""
    box = mask_to_box(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = (int(side) for side in box)
    part = mask[y0:y1, x0:x1]
    polygons = mask_to_polygons(part, tolerance_px=options.tolerance_px) if options.polygons else []
    return SelectedObject(
        object_id=object_id,
        gaze_target=gaze_target,
        pinned=pinned,
        score=0.0 if math.isnan(score) else score,
        box=(float(x0), float(y0), float(x1), float(y1)),
        area_px=int(np.count_nonzero(part)),
        rectangle=(x0, y0, x1 - x0, y1 - y0),
        format=options.format,
        mask_data=encode_mask(mask, part, options.format),
        polygons=tuple((polygon + np.array([x0, y0])).astype(np.float32) for polygon in polygons),
        label=label,
    )


def encode_mask(mask: NDArray[np.bool_], part: NDArray[np.bool_], mask_format: MaskFormat) -> bytes:
    """Encode the mask of a whole frame, bool (H, W); `part` is what its bounding rectangle contains."""
    if mask_format is MaskFormat.NONE:
        return b""
    if mask_format is MaskFormat.RUNS:
        return runs_of(part)
    return encode_png(part) if mask_format is MaskFormat.PNG else Rle.from_mask(mask).text.encode("ascii")
