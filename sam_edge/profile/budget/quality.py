"""How good masks are on this machine's engines: IoU with the truth on a labelled set."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.exporters.pictures import LabelledPicture
from sam_edge.masks import iou
from sam_edge.segmenter import Segmenter
from sam_edge.stream.candidate import to_grid
from sam_edge.stream.closeup import Track, look_closer


@dataclass(frozen=True, slots=True)
class Quality:
    """IoU with the truth of the mask that is put first, prompted by one point a thing."""

    things: int
    """Things that were prompted."""
    iou: float
    """Mean of the mask on the whole frame."""
    iou_error: float
    """Its standard error."""
    closeup_iou: float
    """Mean of the mask after a close-up of it, as a session makes them in a thread."""


def measure_quality(
    model: Segmenter, pictures: Sequence[LabelledPicture], size: tuple[int, int]
) -> Generator[str, None, Quality]:
    """Prompt every thing by its deepest place; says how far it is.

    Args:
        model: what is measured.
        pictures: the labelled set.
        size: the encoder's input (height, width) that whole pictures are letterboxed to.
    """
    whole: list[float] = []
    closer: list[float] = []
    for index, picture in enumerate(pictures):
        yield f"quality of {size[1]}x{size[0]}: picture {index + 1} of {len(pictures)}"
        embedding = model.encode(picture.image, size=size)
        # All things of a picture in one call, which takes half as long as one by one.
        masks = model.decode(embedding, points=np.asarray(picture.points)[:, None])
        for number, thing in enumerate(picture.objects):
            whole.append(iou(masks.masks[number, 0], thing))
            low = masks.logits[number, 0]
            track = Track(
                object_id=0,
                time_ns=0,
                grid_logits=to_grid(low, embedding),
                score=float(masks.scores[number, 0]),
                decoded_ns=0,
                lowres_logits=low,
                embedding=embedding,
            )
            closer.append(iou(closed_up(model, picture.image, track), thing))
    count = len(whole)
    error = float(np.std(whole) / np.sqrt(count)) if count else 0.0
    return Quality(
        things=count,
        iou=float(np.mean(whole)) if count else 0.0,
        iou_error=error,
        closeup_iou=float(np.mean(closer)) if count else 0.0,
    )


def closed_up(model: Segmenter, image: NDArray[np.uint8], track: Track) -> NDArray[np.bool_]:
    """Return the mask of a thing after a close-up: bool (H, W) in frame pixels."""
    size = (image.shape[0], image.shape[1])
    found = look_closer(model, image, track, lambda: track)
    if found is None or found.lowres_logits is None or found.embedding is None:
        return np.zeros(size, bool)
    return np.asarray(found.embedding.placement.paste(found.lowres_logits, size) > 0)
