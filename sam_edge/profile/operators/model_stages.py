"""Assigns operators to parts of the model.

Engines fuse and rename operators, so their names are unreliable. But they run in the order of the model, and the number
of positions and channels of the output identifies the part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam_edge.profile.operators.raw_operator import ENCODE

MAX_TOKENS = 64
"""Upper limit of a decoder's prompt and mask tokens; an embedding has more positions."""
MASK_POSITIONS = 16
"""Positions of a mask per position of the embedding."""


@dataclass(frozen=True, slots=True)
class EncoderStage:
    """One part of an encoder."""

    name: str
    """Display name."""
    stride: int
    """Input pixels per position, along one side."""
    channels: int
    """Channels where the stage begins."""


TINY_VIT = (
    EncoderStage("patch embedding", 2, 32),
    EncoderStage("stage 1: convolutions, stride 4", 4, 256),
    EncoderStage("stage 2: attention, stride 8", 8, 128),
    EncoderStage("stage 3: attention, stride 16", 16, 160),
    EncoderStage("stage 4: attention, stride 16", 16, 320),
    EncoderStage("neck", 16, 256),
)
"""MobileSAM's encoder (Wu et al., TinyViT, ECCV 2022, table 1: the 5M model; Zhang et al., arXiv 2306.14289)."""
STAGES_BY_MODEL = {"mobile_sam": TINY_VIT}
"""Encoders with known stages, by the manifest's `model`."""

OutputSize = tuple[int, int] | None
"""(positions, channels) of the output of an operator with weights; None for other operators."""


def assign_stages(
    model: str, role: str, size: tuple[int, int], outputs: Sequence[OutputSize], embedding_positions: int
) -> list[str]:
    """Name the part of the model of each operator.

    Args:
        model: the manifest's `model`.
        role: `encode` or `decode`.
        size: encoder input (height, width).
        outputs: output size of each operator, in order of execution.
        embedding_positions: height x width of the embedding.
    """
    if role != ENCODE:
        return assign_decoder_stages(outputs, embedding_positions)
    if model in STAGES_BY_MODEL:
        return assign_encoder_stages(STAGES_BY_MODEL[model], size, outputs)
    return assign_by_stride(size, outputs)


def assign_encoder_stages(
    stages: Sequence[EncoderStage], size: tuple[int, int], outputs: Sequence[OutputSize]
) -> list[str]:
    """Assign known stages: a stage begins at the first output with its stride and channels."""
    current, names = 0, []
    for output in outputs:
        later = [
            number
            for number in range(current + 1, len(stages))
            if output is not None
            and output[1] == stages[number].channels
            and output[0] * stages[number].stride ** 2 == size[0] * size[1]
        ]
        current = later[0] if later else current
        names.append(stages[current].name)
    return names


def assign_by_stride(size: tuple[int, int], outputs: Sequence[OutputSize]) -> list[str]:
    """Name the parts of an unknown encoder by their stride."""
    current, names = "beginning", []
    for output in outputs:
        if output is not None and output[0] > 0:
            stride = (size[0] * size[1] / output[0]) ** 0.5
            current = f"stride {stride:.0f}" if stride >= 1.5 else "stride 1"
        names.append(current)
    return names


def assign_decoder_stages(outputs: Sequence[OutputSize], embedding_positions: int) -> list[str]:
    """Name the parts of a decoder: tokens, the embedding in the cross-attention, and the upscaled masks."""
    current, names = "prompts and tokens", []
    for output in outputs:
        if output is not None:
            # Attention scores and masks of tokens have the positions along the last axis.
            transposed = output[1] in (embedding_positions, MASK_POSITIONS * embedding_positions)
            positions = output[1] if transposed else output[0]
            if positions >= 2 * embedding_positions:
                current = "masks: finer than the embedding"
            elif positions >= embedding_positions:
                current = "image side of the attention"
            elif positions <= MAX_TOKENS:
                current = "prompts and tokens"
        names.append(current)
    return names
