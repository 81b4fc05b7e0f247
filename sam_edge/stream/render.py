"""From an assessment and a track to the selection on the newest frame."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from sam_edge.masks import mask_to_box, remove_islands
from sam_edge.segmenter import Embedding
from sam_edge.stream.assessment import Assessment, SceneObject
from sam_edge.stream.candidate import Grid, is_background, upsample_mask
from sam_edge.stream.closeup import Track
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.selection import PinnedObject, Selection, State
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning

FixationPlace = tuple[float, float, float]
"""Place x, y and spread, frame pixels."""


def render_selection(
    assessment: Assessment | None,
    track: Track | None,
    frame_motion: FrameMotion,
    time_ns: int,
    *,
    unpinned: Collection[int] = (),
    tuning: SelectionTuning = DEFAULT_TUNING,
) -> Selection:
    """Bring the newest assessment to a frame.

    Args:
        assessment: the newest one; None before the first one.
        track: the target, followed to the frame by close-ups; None where nothing follows it.
        frame_motion: motion between the frames.
        time_ns: the frame.
        unpinned: numbers of objects that were unpinned after the assessment.
        tuning: how long the last dwell is shown.
    """
    if assessment is None:
        return Selection(time_ns, State.NONE, None, None, None, None, "none")
    pinned_objects = [item for item in assessment.pinned if item.object_id not in unpinned]
    wanted = (None if track is not None else assessment.target, *pinned_objects)
    masks = carry_masks(assessment, wanted, frame_motion, time_ns)
    mask = masks[0]
    if track is not None:
        size = assessment.embedding.frame_size
        mask = render_track(track, size)
    pinned = tuple(
        PinnedObject(item.object_id, pinned_mask, box, item.score)
        for item, pinned_mask in zip(pinned_objects, masks[1:], strict=True)
        if pinned_mask is not None and (box := mask_to_box(pinned_mask)) is not None
    )
    lost = tuple(lineage for lineage in assessment.lost if lineage not in unpinned)
    fixation = last_fixation(assessment, time_ns, tuning)
    target = assessment.target
    if mask is None or target is None:
        state = State.LOST if assessment.state is not State.NONE else State.NONE
        return Selection(
            time_ns, state, None, None, None, None, "none", fixation=fixation, pinned=pinned, lost=lost
        )
    made_ns = assessment.embedding.time_ns if track is None else track.made_ns
    confirmed = assessment.confirmed and (
        # A mask may have grown over the background since it was assessed.
        assessment.may_fill or track is None or not is_background(track.grid_logits, tuning)
    )
    return Selection(
        frame_time_ns=time_ns,
        state=assessment.state if confirmed else State.HOVER,
        mask=mask,
        box=mask_to_box(mask),
        score=target.score if track is None else track.score,
        object_id=target.object_id,
        origin=mask_origin(assessment, track, time_ns),
        age_ms=(time_ns - made_ns) / NS_PER_MS,
        fixation=fixation,
        pinned=pinned,
        lost=lost,
        confirmed=confirmed,
    )


def carry_masks(
    assessment: Assessment, objects: Sequence[SceneObject | None], frame_motion: FrameMotion, time_ns: int
) -> list[NDArray[np.bool_] | None]:
    """Return the masks, bool (H, W), of an assessment's objects on a later frame; None for None and what is lost."""
    fresh = assessment.time_ns == time_ns
    needed = not fresh and any(item is not None for item in objects)
    motion = frame_motion.between(assessment.time_ns, time_ns) if needed else None
    known = fresh or motion is not None
    embedding = assessment.embedding
    return [
        None
        if item is None or not known
        else render_mask(item.grid_logits, item.lowres_logits, embedding, embedding.frame_size)
        if motion is None
        else render_mask(motion.carry(item.grid_logits), None, None, embedding.frame_size)
        for item in objects
    ]


def render_track(track: Track, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return the mask of a track on its frame, bool (H, W) of `size`; None when nothing of it is there."""
    if track.followed is None:
        return render_mask(track.grid_logits, track.lowres_logits, track.embedding, size)
    mask = track.followed.mask(size)
    return remove_islands(mask) if mask.any() else None


def render_mask(
    grid_logits: Grid,
    lowres_logits: NDArray[np.float32] | None,
    embedding: Embedding | None,
    size: tuple[int, int],
) -> NDArray[np.bool_] | None:
    """Return a mask on its frame, bool (H, W) of `size`; None when nothing of it is there.

    It comes from the low-resolution logits on the frame's embedding where they are known, else from the motion grid.
    """
    if lowres_logits is not None and embedding is not None:
        mask = np.asarray(embedding.placement.paste(lowres_logits, size) > 0)
    else:
        mask = upsample_mask(grid_logits, size)
    return remove_islands(mask) if mask.any() else None


def last_fixation(assessment: Assessment, time_ns: int, tuning: SelectionTuning) -> FixationPlace | None:
    """Return where the gaze rested last, while that is recent."""
    segment = assessment.segment
    if segment is None or time_ns - segment.time_ns > tuning.last_dwell_shown_ms * NS_PER_MS:
        return None
    return segment.x_px, segment.y_px, segment.spread_px


def mask_origin(assessment: Assessment, track: Track | None, time_ns: int) -> str:
    """Return how the target's mask was made, as `Selection.origin` has it."""
    if track is not None:
        if track.followed is not None:
            return "followed"
        return "encoded" if track.decoded_ns == time_ns else "propagated"
    if assessment.time_ns != time_ns:
        return "propagated"
    return "encoded" if assessment.embedding.time_ns == assessment.time_ns else "reused"
