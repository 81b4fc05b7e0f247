"""What a person sees: what was found, brought to the newest frame."""

from __future__ import annotations

from collections.abc import Collection

from sam_edge.masks import mask_to_box
from sam_edge.stream.closeup import Track
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.rest import NS_PER_MS
from sam_edge.stream.selection import PinnedObject, Selection, State
from sam_edge.stream.verdict import Verdict, shown_mask

BLINK_MS = 300.0
"""Where gaze rested last is shown this long after: over a blink, and until the next fixation."""


def shown(
    verdict: Verdict | None,
    track: Track | None,
    moved: FrameMotion,
    time_ns: int,
    *,
    released: Collection[int] = (),
) -> Selection:
    """Bring what was found to a frame.

    Args:
        verdict: what is meant on the scene that was judged last; None before the first one.
        track: what is meant, followed to the frame by close-ups; None where nothing follows it.
        moved: how things moved between the frames.
        time_ns: the frame.
        released: numbers of pinned objects that were unpinned after the scene was judged.
    """
    if verdict is None:
        return Selection(time_ns, State.NONE, None, None, None, None, "none")
    fresh = verdict.time_ns == time_ns
    things = [thing for thing in verdict.pinned if thing.object_id not in released]
    wanted = (None if track is not None else verdict.meant, *things)
    needed = not fresh and any(thing is not None for thing in wanted)
    motion = moved.between(verdict.time_ns, time_ns) if needed else None
    known = fresh or motion is not None
    size = verdict.embedding.frame_size
    masks = [
        None
        if thing is None or not known
        else shown_mask(thing.soft, thing.low, verdict.embedding, size)
        if motion is None
        else shown_mask(motion.carry(thing.soft), None, None, size)
        for thing in wanted
    ]
    if track is not None:
        masks[0] = shown_mask(track.soft, track.low, track.embedding, size)
    pinned = tuple(
        PinnedObject(thing.object_id, mask, box, thing.score)
        for thing, mask in zip(things, masks[1:], strict=True)
        if mask is not None and (box := mask_to_box(mask)) is not None
    )
    look = verdict.look
    rests = look is not None and time_ns - look.time_ns <= BLINK_MS * NS_PER_MS
    fixation = (look.x_px, look.y_px, look.spread_px) if rests and look is not None else None
    mask, meant = masks[0], verdict.meant
    if mask is None or meant is None:
        gone = State.LOST if verdict.state is not State.NONE else State.NONE
        return Selection(time_ns, gone, None, None, None, None, "none", fixation=fixation, pinned=pinned)
    decoded_ns = verdict.embedding.time_ns if track is None else track.decoded_ns
    fresh = fresh if track is None else track.decoded_ns == time_ns
    reused = track is None and verdict.embedding.time_ns != verdict.time_ns
    return Selection(
        frame_time_ns=time_ns,
        state=verdict.state,
        mask=mask,
        box=mask_to_box(mask),
        score=meant.score if track is None else track.score,
        object_id=meant.object_id,
        origin="propagated" if not fresh else "reused" if reused else "encoded",
        age_ms=(time_ns - decoded_ns) / NS_PER_MS,
        fixation=fixation,
        pinned=pinned,
    )
