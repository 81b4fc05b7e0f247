"""The three stages of SAM's data engine on a video with gaze.

Kirillov et al., "Segment Anything" (2023), section 4. Assisted: each dwell of the gaze proposes a mask, which a person
accepts, corrects or rejects. Semi-automatic: confident masks are made first, and only dwells on the rest are asked.
Automatic: everything mode, filtered. Each stage resumes where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.annotate.journal import Journal, Kept
from sam_edge.errors import MediaError
from sam_edge.everything import FAST, FoundMask, Settings, find_everything
from sam_edge.everything.generate import stability
from sam_edge.gaze.events import EventDetector, Fixation
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks import Masks, Rle, box_of, iou
from sam_edge.media.frames import Frame
from sam_edge.media.write import write_png
from sam_edge.segmenter import Embedding, Segmenter

DWELL_MS = 200.0
"""Gaze that rests shorter than this proposes nothing."""
CONFIDENT = replace(FAST, predicted_iou=0.92, stability=0.95)
"""What the semi-automatic stage takes without asking."""
AUTOMATIC = Settings()
"""What the automatic stage takes."""
SAME = 0.7
"""Masks whose IoU exceeds this are of one thing: the second is not kept."""


class Stage(str, Enum):
    """A stage of the data engine."""

    ASSISTED = "assisted"
    SEMI = "semi"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is asked: does this mask show what was looked at?"""

    image: NDArray[np.uint8]
    """The frame, RGB (H, W, 3)."""
    candidates: Masks
    """SAM's masks for the points, best first."""
    shown: int
    """Which of them is proposed."""
    points: tuple[tuple[float, float, int], ...]
    """x, y and label of every point: the dwell first, then corrections."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The proposed mask, bool (H, W)."""
        return np.asarray(self.candidates.masks[self.shown])


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person says."""

    action: str
    """`accept`, `reject`, `next` (another of SAM's masks), `point` (a correction) or `stop`."""
    point: tuple[float, float, int] | None = None
    """x, y and label (1 on the thing, 0 beside it) of a correction."""


class Stopped(Exception):
    """The person wants to go on another time."""


def dwells_of(samples: Sequence[GazeSample], *, px_per_deg: float) -> list[Fixation]:
    """Return the dwells of a recording, in order: fixations and pursuits of at least 200 ms."""
    detector = EventDetector(px_per_deg=px_per_deg)
    latest: dict[int, Fixation] = {}
    for sample in samples:
        for fixation in detector.update(sample).fixations:
            latest[fixation.event_id] = fixation
    return [one for one in latest.values() if one.duration_ns >= DWELL_MS * 1e6]


class Annotator:
    """Runs stages on the frames of one video."""

    def __init__(
        self,
        model: Segmenter,
        journal: Journal,
        decide: Callable[[Proposal], Decision],
        *,
        size: tuple[int, int] | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        """Annotate with `model` into `journal`; `decide` answers each proposal."""
        self._model = model
        self._journal = journal
        self._decide = decide
        self._size = size
        self._provenance = provenance or {}

    def step(self, stage: Stage, frame: Frame, dwells: Sequence[Fixation], *, key_frame: bool) -> None:
        """Run a stage on one frame.

        Args:
            stage: which one.
            frame: the frame.
            dwells: those that belong to this frame.
            key_frame: whether confident or automatic masks are made on it, too.

        Raises:
            Stopped: the person stops; everything accepted is in the journal.
        """
        asked = [one for one in dwells if not self._journal.finished(stage.value, f"dwell {one.event_id}")]
        makes = key_frame and stage != Stage.ASSISTED
        makes = makes and not self._journal.finished(stage.value, f"frame {frame.stem}")
        if stage == Stage.AUTOMATIC:
            asked = []
        if not asked and not makes:
            return
        embedding = self._model.encode(frame.image, size=self._size)
        if makes:
            settings = CONFIDENT if stage == Stage.SEMI else AUTOMATIC
            for found in find_everything(
                self._model, frame.image, settings=replace(settings, size=self._size)
            ):
                self._keep(frame, stage, found, "confident", {})
            self._journal.finish(stage.value, f"frame {frame.stem}")
        for dwell in asked:
            if stage != Stage.SEMI or not self._known(frame, dwell):
                self._ask(stage, frame, embedding, dwell)
            self._journal.finish(stage.value, f"dwell {dwell.event_id}")

    def _ask(self, stage: Stage, frame: Frame, embedding: Embedding, dwell: Fixation) -> None:
        """Propose until the person accepts or rejects."""
        height, width = embedding.frame_size
        if not (0 <= dwell.x_px < width and 0 <= dwell.y_px < height):
            return
        points: tuple[tuple[float, float, int], ...] = ((dwell.x_px, dwell.y_px, 1),)
        candidates, shown = self._candidates(embedding, points), 0
        while True:
            decision = self._decide(Proposal(frame.image, candidates, shown, points))
            if decision.action == "stop":
                raise Stopped
            if decision.action == "reject":
                return
            if decision.action == "accept":
                break
            if decision.action == "point" and decision.point is not None:
                if not (0 <= decision.point[0] < width and 0 <= decision.point[1] < height):
                    continue
                points = (*points, decision.point)
                candidates, shown = self._candidates(embedding, points), 0
            else:
                shown = (shown + 1) % len(candidates.scores)
        found = described(candidates, shown, points, embedding)
        if found is not None:
            decided = "accepted" if len(points) == 1 and shown == 0 else "corrected"
            gaze = {
                "onset_ns": dwell.onset_ns,
                "end_ns": dwell.time_ns,
                "spread_px": round(dwell.spread_px, 2),
            }
            labels = [label for _, _, label in points]
            self._keep(frame, stage, found, decided, {"gaze": gaze, "point_labels": labels})

    def _candidates(self, embedding: Embedding, points: tuple[tuple[float, float, int], ...]) -> Masks:
        places, labels = [point[:2] for point in points], [point[2] for point in points]
        return self._model.decode(embedding, points=places, labels=labels)

    def _known(self, frame: Frame, dwell: Fixation) -> bool:
        """Say whether a mask of this frame holds the dwell."""
        row, column = int(dwell.y_px), int(dwell.x_px)
        for kept in self._journal.of_frame(frame.stem):
            height, width = kept.mask.segmentation.size
            if 0 <= row < height and 0 <= column < width and kept.mask.mask()[row, column]:
                return True
        return False

    def _keep(
        self, frame: Frame, stage: Stage, found: FoundMask, decision: str, more: dict[str, Any]
    ) -> None:
        """Write a mask, unless the frame has it; the picture first, so that no mask is ever without one."""
        mask = found.mask()
        if decision == "confident" and any(
            iou(mask, kept.mask.mask()) > SAME for kept in self._journal.of_frame(frame.stem)
        ):
            return
        picture = self._journal.folder / "images" / f"{frame.stem}.png"
        if not picture.exists():
            write_png(picture, frame.image)
        provenance = {**self._provenance, "time_ns": frame.time_ns, **more}
        self._journal.keep(Kept(frame.stem, frame.index, stage.value, found, decision, provenance))


def described(
    candidates: Masks, shown: int, points: tuple[tuple[float, float, int], ...], embedding: Embedding
) -> FoundMask | None:
    """Describe an accepted mask as everything mode does; None when it is empty."""
    mask = np.asarray(candidates.masks[shown])
    box = box_of(mask)
    if box is None:
        return None
    view = embedding.view
    return FoundMask(
        segmentation=Rle.of(mask),
        area=int(np.count_nonzero(mask)),
        bbox=(box[0], box[1], box[2] - box[0], box[3] - box[1]),
        predicted_iou=float(candidates.scores[shown]),
        point_coords=tuple((float(x), float(y)) for x, y, _ in points),
        stability_score=stability(candidates.logits[shown], 1.0),
        crop_box=(float(view.x0), float(view.y0), float(view.width), float(view.height)),
    )


def frame_of(dwell: Fixation, fps: float, count: int | None) -> int:
    """Return the number of the frame that is shown in the middle of a dwell.

    Raises:
        MediaError: the dwell lies before the video.
    """
    index = int((dwell.onset_ns + dwell.time_ns) / 2 * fps / 1e9)
    if index < 0:
        raise MediaError(f"gaze: a dwell at {dwell.onset_ns / 1e9:.3f} s lies before the video's first frame")
    return index if count is None else min(index, count - 1)
