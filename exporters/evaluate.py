"""What an artifact lost: its masks beside those of fp32 torch, and beside the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.exporters.pictures import LabelledPicture
from sam_edge.masks import Masks, iou
from sam_edge.segmenter import Segmenter

Number = TypeVar("Number", np.bool_, np.float32)

AT_ONCE = 8
"""Prompts decoded in one call; bounds memory."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a model's results compare with the reference's, one point in the deepest place of every labelled thing."""

    pictures: int
    """Pictures measured on."""
    objects: int
    """Things prompted."""
    cosine: float
    """Cosine of the embeddings, mean over pictures."""
    relative_error: float
    """Norm of the embeddings' difference over the reference's norm, mean over pictures."""
    logit_error: float
    """Mean absolute difference of the low-resolution logits of all four masks."""
    chosen_iou: float
    """IoU of the masks that each puts first, mean over things."""
    token_iou: tuple[float, float, float, float]
    """IoU of each of the four masks with the reference's, mean over things."""
    truth_iou: float
    """IoU of the mask put first with the truth, mean over things."""
    reference_truth_iou: float
    """The same of the reference."""

    @property
    def truth_loss(self) -> float:
        """How much lower the IoU with the truth is than the reference's."""
        return self.reference_truth_iou - self.truth_iou

    def summary(self) -> dict[str, float | int | list[float]]:
        """Describe for a manifest, rounded to what the measurement is worth."""
        values = {**asdict(self), "truth_loss": self.truth_loss}
        return {
            key: [round(item, 5) for item in value]
            if isinstance(value, tuple)
            else (round(value, 5) if isinstance(value, float) else value)
            for key, value in values.items()
        }


def compare(
    model: Segmenter, reference: Segmenter, pictures: Iterable[LabelledPicture], *, size: tuple[int, int]
) -> Agreement:
    """Prompt both models alike and compare.

    Args:
        model: what is measured.
        reference: what it is measured against: fp32 torch.
        pictures: a labelled set.
        size: the encoder's input (height, width) that whole pictures are letterboxed to.

    Raises:
        InputError: the set is empty.
    """
    cosines, errors, logit_errors = [], [], []
    chosen, tokens, truth, reference_truth = [], [], [], []
    count = 0
    for picture in pictures:
        count += 1
        ours, theirs = (one.encode(picture.image, size=size) for one in (model, reference))
        flat, expected = ours.data.ravel().astype(np.float64), theirs.data.ravel().astype(np.float64)
        cosines.append(float(flat @ expected / (np.linalg.norm(flat) * np.linalg.norm(expected))))
        errors.append(float(np.linalg.norm(flat - expected) / np.linalg.norm(expected)))
        points = picture.points[:, None]
        for start in range(0, len(points), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            mine, other = (
                one.decode(embedding, points=points[part])
                for one, embedding in ((model, ours), (reference, theirs))
            )
            logit_errors.append(
                float(np.abs(by_token(mine, mine.logits) - by_token(other, other.logits)).mean())
            )
            for index, thing in enumerate(picture.objects[part]):
                chosen.append(iou(mine.best[index], other.best[index]))
                pairs = zip(
                    by_token(mine, mine.masks)[index], by_token(other, other.masks)[index], strict=True
                )
                tokens.append([iou(first, second) for first, second in pairs])
                truth.append(iou(mine.best[index], thing))
                reference_truth.append(iou(other.best[index], thing))
    if not count:
        raise InputError("labelled: the set holds no picture with a thing of 400 pixels or more")
    single, first, second, third = (float(value) for value in np.mean(tokens, axis=0))
    return Agreement(
        pictures=count,
        objects=len(chosen),
        cosine=float(np.mean(cosines)),
        relative_error=float(np.mean(errors)),
        logit_error=float(np.mean(logit_errors)),
        chosen_iou=float(np.mean(chosen)),
        token_iou=(single, first, second, third),
        truth_iou=float(np.mean(truth)),
        reference_truth_iou=float(np.mean(reference_truth)),
    )


def by_token(masks: Masks, values: NDArray[Number]) -> NDArray[Number]:
    """Put (P, 4, ...) values of masks of several prompts in the order of SAM's output tokens."""
    order = np.argsort(masks.token, axis=1)
    return np.take_along_axis(values, order.reshape(*order.shape, 1, 1), axis=1)
