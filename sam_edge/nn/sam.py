"""The whole model, and the two halves that are exported: image to embedding, embedding and prompts to masks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sam_edge.nn.mask_decoder import MaskDecoder
from sam_edge.nn.prompts import PromptEncoder
from sam_edge.nn.tiny_vit import TinyViT
from sam_edge.nn.vit import VIT_B, VIT_H, VIT_L, ViT

PIXEL_MEAN = (123.675, 116.28, 103.53)
"""Mean of each colour, red green blue, in 0..255: SAM's own."""
PIXEL_STD = (58.395, 57.12, 57.375)
"""Standard deviation of each colour: SAM's own."""


class Sam(nn.Module):
    """An image encoder, a prompt encoder and a mask decoder, under the official checkpoint's names."""

    pixel_mean: Tensor
    pixel_std: Tensor
    checkpoint_sha256: str
    """Hash of the file that the weights were loaded from, hexadecimal; empty for random weights."""

    def __init__(self, image_encoder: nn.Module, *, name: str = "sam") -> None:
        """Join `image_encoder`, which gives (B, 256, H / 16, W / 16), with SAM's decoder; call the whole `name`."""
        super().__init__()
        self.name = name
        self.checkpoint_sha256 = ""
        self.image_encoder = image_encoder
        self.prompt_encoder = PromptEncoder()
        self.mask_decoder = MaskDecoder()
        self.register_buffer("pixel_mean", torch.tensor(PIXEL_MEAN), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(PIXEL_STD), persistent=False)

    def normalise(self, image: Tensor) -> Tensor:
        """RGB uint8 (B, H, W, 3) to normalised float32 (B, 3, H, W)."""
        return ((image.float() - self.pixel_mean) / self.pixel_std).permute(0, 3, 1, 2)

    def encode(self, image: Tensor) -> Tensor:
        """RGB uint8 (B, H, W, 3), sides multiples of 16, to the embedding float32 (B, 256, H / 16, W / 16)."""
        return self.image_encoder(self.normalise(image))

    def decode(
        self,
        embedding: Tensor,
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None = None,
        has_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Decode P prompts on one embedding.

        Args:
            embedding: float32 (1, 256, h, w).
            points: float32 (P, N, 2), input pixels, a pixel's own index being its place (upstream's convention).
            labels: int (P, N): 1 object, 0 not, 2 and 3 a box's corners, -1 padding.
            mask: float32 (P, 1, 4h, 4w), logits of a mask prompt; None when no prompt has one.
            has_mask: float32 (P,): 0 where `mask` is to be ignored; None with `mask`.

        Returns:
            Logits float32 (P, 4, 4h, 4w) and scores float32 (P, 4) of all four output tokens.
        """
        height, width = embedding.shape[2], embedding.shape[3]
        if mask is None or has_mask is None:
            # One image for all prompts: what the first block makes of it alone is then computed once.
            dense = self.prompt_encoder.no_mask_embed.weight
        else:
            dense = self.prompt_encoder.dense_mask(mask, has_mask)
        image = embedding.flatten(2).transpose(1, 2) + dense
        positions = self.prompt_encoder.dense_positions(height, width)
        tokens = self.prompt_encoder.tokens(points, labels)
        return self.mask_decoder(image, positions, tokens, height, width)


class EncoderHalf(nn.Module):
    """The half that is run once a frame."""

    def __init__(self, sam: Sam) -> None:
        """Take the encoder of `sam`."""
        super().__init__()
        self.sam = sam

    def forward(self, image: Tensor) -> Tensor:
        """See `Sam.encode`."""
        return self.sam.encode(image)


class DecoderHalf(nn.Module):
    """The half that is run once a prompt."""

    def __init__(self, sam: Sam) -> None:
        """Take the prompt encoder and the mask decoder of `sam`."""
        super().__init__()
        self.sam = sam

    def forward(
        self, embedding: Tensor, points: Tensor, labels: Tensor, mask: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Sam.decode`."""
        return self.sam.decode(embedding, points, labels, mask, has_mask)


class PointDecoderHalf(nn.Module):
    """The half that is run once a prompt without a mask: the image's share of the work serves all prompts of a call."""

    def __init__(self, sam: Sam) -> None:
        """Take the prompt encoder and the mask decoder of `sam`."""
        super().__init__()
        self.sam = sam

    def forward(self, embedding: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Sam.decode`."""
        return self.sam.decode(embedding, points, labels)


def mobile_sam() -> Sam:
    """Build MobileSAM (Zhang et al., 2023) with random weights, in evaluation mode."""
    return Sam(TinyViT(), name="mobile_sam").eval()


def sam_vit_b() -> Sam:
    """Build SAM (Kirillov et al., 2023) on ViT-B with random weights, in evaluation mode."""
    return Sam(ViT(VIT_B), name="sam_vit_b").eval()


def sam_vit_l() -> Sam:
    """Build SAM (Kirillov et al., 2023) on ViT-L with random weights, in evaluation mode."""
    return Sam(ViT(VIT_L), name="sam_vit_l").eval()


def sam_vit_h() -> Sam:
    """Build SAM (Kirillov et al., 2023) on ViT-H with random weights, in evaluation mode."""
    return Sam(ViT(VIT_H), name="sam_vit_h").eval()


MODELS: dict[str, Callable[[], Sam]] = {
    "mobile_sam": mobile_sam,
    "sam_vit_b": sam_vit_b,
    "sam_vit_l": sam_vit_l,
    "sam_vit_h": sam_vit_h,
}
"""Every model that can be loaded and exported, by name.

A new one is an encoder in a file of its own, under its checkpoint's key names, and one entry here and in `ORIGINS`.
Checkpoints are recognised by the names and shapes that its builder gives, so nothing else needs to know of it.
"""
ORIGINS = {
    "mobile_sam": "Apache-2.0; weights: MobileSAM (https://github.com/ChaoningZhang/MobileSAM)",
    **dict.fromkeys(
        ("sam_vit_b", "sam_vit_l", "sam_vit_h"),
        "Apache-2.0; weights: Segment Anything (https://github.com/facebookresearch/segment-anything)",
    ),
}
"""Licence and origin of the official weights of every model."""
