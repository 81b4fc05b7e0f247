"""Which part of the model an operator belongs to.

Engines fuse and rename operators, so names say little; but they run them in the order of the model, and the number of
places and the width of what is made tell where one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam_edge.profile.operators.raw_operator import ENCODE

FEW_TOKENS = 64
"""A decoder's prompt and mask tokens are fewer than this; places of the image are more."""
MASK_PLACES = 16
"""Places of a mask for each of the embedding."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of an encoder."""

    name: str
    """For people."""
    stride: int
    """Input pixels a place, along a side."""
    width: int
    """Numbers at each place, where the part begins."""


TINY_VIT = (
    Stage("patch embedding", 2, 32),
    Stage("stage 1: convolutions, stride 4", 4, 256),
    Stage("stage 2: attention, stride 8", 8, 128),
    Stage("stage 3: attention, stride 16", 16, 160),
    Stage("stage 4: attention, stride 16", 16, 320),
    Stage("neck", 16, 256),
)
"""MobileSAM's encoder (Wu et al., TinyViT, ECCV 2022, table 1: the 5M model; Zhang et al., arXiv 2306.14289)."""
PARTS_OF = {"mobile_sam": TINY_VIT}
"""Encoders whose parts are known, by the manifest's `model`."""

Sides = tuple[int, int] | None
"""(places, width) of what an operator with weights makes; None for any other operator."""


def stages_of(
    model: str, role: str, size: tuple[int, int], sides: Sequence[Sides], image_places: int
) -> list[str]:
    """Name the part of the model for each operator.

    Args:
        model: the manifest's `model`.
        role: `encode` or `decode`.
        size: the encoder's input (height, width).
        sides: what each operator makes, in the order in which they run.
        image_places: places of the embedding.
    """
    if role != ENCODE:
        return decoder_stages(sides, image_places)
    if model in PARTS_OF:
        return encoder_stages(PARTS_OF[model], size, sides)
    return by_stride(size, sides)


def encoder_stages(parts: Sequence[Stage], size: tuple[int, int], sides: Sequence[Sides]) -> list[str]:
    """Go through known parts: a new one begins where something of its stride and width is made."""
    current, names = 0, []
    for side in sides:
        ahead = [
            number
            for number in range(current + 1, len(parts))
            if side is not None
            and side[1] == parts[number].width
            and side[0] * parts[number].stride ** 2 == size[0] * size[1]
        ]
        current = ahead[0] if ahead else current
        names.append(parts[current].name)
    return names


def by_stride(size: tuple[int, int], sides: Sequence[Sides]) -> list[str]:
    """Name parts by how coarse they are."""
    current, names = "beginning", []
    for side in sides:
        if side is not None and side[0] > 0:
            stride = (size[0] * size[1] / side[0]) ** 0.5
            current = f"stride {stride:.0f}" if stride >= 1.5 else "stride 1"
        names.append(current)
    return names


def decoder_stages(sides: Sequence[Sides], image_places: int) -> list[str]:
    """Name a decoder's parts: prompt tokens, places of the image, and masks that are finer than those."""
    current, names = "prompts and tokens", []
    for side in sides:
        if side is not None:
            # What a token makes of every place, scores or a mask, lies along the places.
            places = side[1] if side[1] in (image_places, MASK_PLACES * image_places) else side[0]
            if places >= 2 * image_places:
                current = "masks: finer than the embedding"
            elif places >= image_places:
                current = "image side of the attention"
            elif places <= FEW_TOKENS:
                current = "prompts and tokens"
        names.append(current)
    return names
