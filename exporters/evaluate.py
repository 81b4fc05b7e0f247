"""Accuracy of an exported model: its masks compared with those of fp32 torch, and with ground truth."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.exporters.image_sets import LabelledImage, list_images
from sam_edge.masks import Masks, iou
from sam_edge.media.images import read_image
from sam_edge.segmenter import Embedding, Segmenter

Number = TypeVar("Number", np.bool_, np.float32)
Four = tuple[float, float, float, float]

AT_ONCE = 8
"""Prompts decoded in one call; bounds memory."""
GRID = 4
"""Prompts along each side of an image without labels."""


@dataclass(frozen=True, slots=True)
class UnlabelledImage:
    """An image without labels."""

    name: str
    """Its file's stem."""
    image: NDArray[np.uint8]
    """RGB (H, W, 3)."""

    @property
    def points(self) -> NDArray[np.float64]:
        """A grid over the image, (16, 2) frame pixels."""
        steps = (np.arange(GRID) + 0.5) / GRID
        x, y = np.meshgrid(steps * self.image.shape[1], steps * self.image.shape[0])
        return np.stack([x.ravel(), y.ravel()], axis=1)


EvaluationImage = LabelledImage | UnlabelledImage


def read_unlabelled_images(folder: Path, *, at_most: int | None = None) -> Iterator[UnlabelledImage]:
    """Read the images of a folder, by name.

    Raises:
        InputError: it is not a folder, or holds no image.
        MediaError: an image cannot be read.
    """
    files = list_images(folder, "images")
    if not files:
        raise InputError(f"images: {folder} holds no image; give a folder of photographs")
    for path in files[:at_most]:
        yield UnlabelledImage(path.stem, read_image(path))


def fingerprint(folder: Path) -> str:
    """Return the sha256 over names and contents of a labelled set, hexadecimal.

    Raises:
        InputError: the folder, its `images` or its `labels` is missing.
    """
    files = list_images(folder / "images", "labelled")
    if not (folder / "labels").is_dir():
        raise InputError(
            f"labelled: no such folder: {folder / 'labels'}; it holds a NAME.txt for images/NAME.jpg"
        )
    digest = hashlib.sha256()
    for path in [*files, *sorted((folder / "labels").glob("*.txt"))]:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a model's results compare with the reference's, for prompts of one point.

    Points are the deepest points of labelled objects, or a grid over images without labels.
    """

    images: int
    """Number of images."""
    prompts: int
    """Number of prompts."""
    cosine: float
    """Cosine of the embeddings, mean over images."""
    worst_cosine: float
    """The lowest cosine of any image."""
    relative_error: float
    """Norm of the embeddings' difference over the reference's norm, mean over images."""
    logit_error: Four
    """Mean absolute difference of the low-resolution logits of each of the four masks, over pixels and prompts."""
    chosen_iou: float
    """IoU of the two best masks, mean over prompts."""
    token_iou: Four
    """IoU of each of the four masks with the reference's, mean over prompts."""
    refined_iou: float
    """IoU of the two best masks when the reference's mask is the mask prompt, together with the point; once for each
    image, mean over images."""
    truth_iou: float | None
    """IoU of the best mask with ground truth, mean over prompts; None without labels."""
    reference_truth_iou: float | None
    """IoU of the reference's best mask with ground truth, mean over prompts; None without labels."""
    truth_loss_error: float | None
    """Standard error of `truth_loss` over the prompts; None without labels."""

    @property
    def truth_loss(self) -> float | None:
        """The reference's IoU with ground truth minus the model's; None without labels."""
        if self.truth_iou is None or self.reference_truth_iou is None:
            return None
        return self.reference_truth_iou - self.truth_iou

    def summary(self) -> dict[str, float | int | list[float] | str]:
        """Return the figures for a manifest, rounded.

        What was not measured is left out. NaN and infinity, which JSON cannot hold, become text. Manifests call the
        number of images `pictures`.
        """
        values = {**asdict(self), "truth_loss": self.truth_loss}
        values = {"pictures": values.pop("images"), **values}
        return {key: round_figure(value) for key, value in values.items() if value is not None}


class AgreementTally:
    """Collects comparisons, image by image."""

    def __init__(self) -> None:
        """Start empty."""
        self.cosines: list[float] = []
        self.errors: list[float] = []
        self.logits: list[NDArray[np.float64]] = []
        self.tokens: list[list[float]] = []
        self.chosen: list[float] = []
        self.truth: list[tuple[float, float]] = []
        self.refined: list[float] = []

    def add_embeddings(self, ours: Embedding, theirs: Embedding) -> None:
        """Compare two embeddings of one image."""
        flat, expected = ours.data.ravel().astype(np.float64), theirs.data.ravel().astype(np.float64)
        # An embedding of nothing but zeros agrees with none; the floor keeps it from dividing by zero.
        norms = max(float(np.linalg.norm(flat) * np.linalg.norm(expected)), 1e-12)
        self.cosines.append(float(flat @ expected) / norms)
        self.errors.append(
            float(np.linalg.norm(flat - expected) / max(float(np.linalg.norm(expected)), 1e-12))
        )

    def add_masks(self, ours: Masks, theirs: Masks, objects: NDArray[np.bool_] | None) -> None:
        """Compare the masks of several prompts, and both with the prompted objects, bool (P, H, W)."""
        difference = np.abs(by_token(ours, ours.logits) - by_token(theirs, theirs.logits))
        self.logits.extend(difference.mean(axis=(2, 3), dtype=np.float64))
        mine, other = by_token(ours, ours.masks), by_token(theirs, theirs.masks)
        for index in range(len(mine)):
            self.tokens.append([iou(a, b) for a, b in zip(mine[index], other[index], strict=True)])
            self.chosen.append(iou(ours.best[index], theirs.best[index]))
            if objects is not None:
                self.truth.append(
                    (iou(ours.best[index], objects[index]), iou(theirs.best[index], objects[index]))
                )

    def agreement(self) -> Agreement:
        """Return the averages."""
        truth = np.mean(self.truth, axis=0) if self.truth else None
        losses = [reference - ours for ours, reference in self.truth]
        return Agreement(
            images=len(self.cosines),
            prompts=len(self.chosen),
            cosine=float(np.mean(self.cosines)),
            worst_cosine=min(self.cosines),
            relative_error=float(np.mean(self.errors)),
            logit_error=as_four(np.mean(self.logits, axis=0)),
            chosen_iou=float(np.mean(self.chosen)),
            token_iou=as_four(np.mean(self.tokens, axis=0)),
            refined_iou=float(np.mean(self.refined)),
            truth_iou=None if truth is None else float(truth[0]),
            reference_truth_iou=None if truth is None else float(truth[1]),
            truth_loss_error=None if truth is None else float(np.std(losses) / np.sqrt(len(losses))),
        )


def compare(
    model: Segmenter, reference: Segmenter, images: Iterable[EvaluationImage], *, size: tuple[int, int]
) -> Agreement:
    """Compare the results of two models for the same prompts.

    Args:
        model: the model to measure.
        reference: the model to compare with: fp32 torch.
        images: with labels (`read_labelled_images`) or without (`read_unlabelled_images`), not mixed.
        size: the encoder's input (height, width) that whole images are letterboxed to.

    Raises:
        InputError: there is no image, or none with an object of 400 pixels.
    """
    tally = AgreementTally()
    for item in images:
        ours, theirs = model.encode(item.image, size=size), reference.encode(item.image, size=size)
        tally.add_embeddings(ours, theirs)
        objects = item.objects if isinstance(item, LabelledImage) else None
        points = item.points[:, None]
        for start in range(0, len(points), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            mine, other = (
                model.decode(ours, points=points[part]),
                reference.decode(theirs, points=points[part]),
            )
            tally.add_masks(mine, other, None if objects is None else objects[part])
            if start == 0:
                prompt, mask = points[:1], other.logits[:1, 0]
                refined = [
                    segmenter.decode(embedding, points=prompt, mask=mask).best[0]
                    for segmenter, embedding in ((model, ours), (reference, theirs))
                ]
                tally.refined.append(iou(refined[0], refined[1]))
    if not tally.cosines:
        raise InputError(
            "labelled: the set holds no image with an object of 400 pixels or more; give a folder with images/NAME.jpg "
            "and labels/NAME.txt"
        )
    return tally.agreement()


def by_token(masks: Masks, values: NDArray[Number]) -> NDArray[Number]:
    """Put (P, 4, ...) values of masks of several prompts in the order of SAM's output tokens."""
    order = np.argsort(masks.token, axis=1)
    return np.take_along_axis(values, order.reshape(*order.shape, 1, 1), axis=1)


def as_four(values: NDArray[np.float64]) -> Four:
    """Return four numbers as a tuple."""
    single, first, second, third = (float(value) for value in values)
    return single, first, second, third


def round_figure(value: float | int | Four) -> float | int | list[float] | str:
    """Round a figure to five decimals; text where it is not finite."""
    if isinstance(value, tuple):
        return [round(item, 5) for item in value] if np.isfinite(value).all() else str(list(value))
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else str(value)
    return value


def format_table(agreements: Mapping[tuple[int, int], Agreement], engine: str, reference: str) -> str:
    """Format the figures of each input size (height, width) as a text table.

    Args:
        agreements: the figures by size.
        engine: name of what was measured, for the head line.
        reference: name of what it was compared with, for the head line.
    """
    head = [f"{engine} compared with {reference}", *(f"{width}x{height}" for height, width in agreements)]
    rows = [[name, *(show(agreement) for agreement in agreements.values())] for name, show in ROWS]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        row[0].ljust(widths[0])
        + "".join(cell.rjust(width + 2) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in [head, *rows]
    ]
    return "\n".join(lines)


def format_figure(value: float | None, digits: int) -> str:
    """Format a figure; a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"


ROWS: tuple[tuple[str, Callable[[Agreement], str]], ...] = (
    ("images / prompts", lambda item: f"{item.images} / {item.prompts}"),
    ("embedding: cosine, mean", lambda item: format_figure(item.cosine, 5)),
    ("embedding: cosine, worst", lambda item: format_figure(item.worst_cosine, 5)),
    ("embedding: relative error", lambda item: format_figure(item.relative_error, 4)),
    *(
        (
            f"logits of mask {token}: mean error",
            lambda item, token=token: format_figure(item.logit_error[token], 3),
        )
        for token in range(4)
    ),
    ("chosen mask: IoU", lambda item: format_figure(item.chosen_iou, 4)),
    *(
        (f"mask {token}: IoU", lambda item, token=token: format_figure(item.token_iou[token], 4))
        for token in range(4)
    ),
    ("with a mask prompt: IoU", lambda item: format_figure(item.refined_iou, 4)),
    ("truth: IoU", lambda item: format_figure(item.truth_iou, 4)),
    ("truth: IoU of the reference", lambda item: format_figure(item.reference_truth_iou, 4)),
    ("truth: loss", lambda item: format_figure(item.truth_loss, 4)),
    ("truth: standard error of the loss", lambda item: format_figure(item.truth_loss_error, 4)),
)
"""Rows of the table: name, and how to format the figure."""
