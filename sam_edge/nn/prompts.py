"""SAM's prompt encoder: points, boxes and masks to what the mask decoder attends to.

Kirillov et al., "Segment Anything" (2023). Positions are absolute: whatever the input's size, they are divided by the
side of the canvas that the model was trained on (1024), as if the input were the canvas's top-left corner.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam_edge.nn.layers import ChannelNorm

PADDING, BACKGROUND, FOREGROUND, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = -1, 0, 1, 2, 3
"""Labels of a point. A box is two points; a prompt without a box ends with one padding point at (0, 0)."""


class FourierPositions(nn.Module):
    """Random Fourier features of positions in the unit square (Tancik et al., 2020)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, width: int) -> None:
        """Give `width` features: half of them sines, half cosines."""
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.zeros(2, width // 2))

    def forward(self, unit: Tensor) -> Tensor:
        """(..., 2) positions x, y in 0..1 to (..., width) features."""
        angles = 2 * math.pi * ((2 * unit - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class PromptEncoder(nn.Module):
    """Prompts to tokens, and a mask prompt (or its absence) to a bias for every place of the embedding."""

    def __init__(self, width: int = 256, *, canvas: int = 1024, stride: int = 16) -> None:
        """Encode for embeddings of `width` channels; positions are divided by `canvas` pixels."""
        super().__init__()
        self.canvas = canvas
        self.stride = stride
        self.pe_layer = FourierPositions(width)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.no_mask_embed = nn.Embedding(1, width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, 2, 2),
            ChannelNorm(4),
            nn.GELU(),
            nn.Conv2d(4, 16, 2, 2),
            ChannelNorm(16),
            nn.GELU(),
            nn.Conv2d(16, width, 1),
        )

    def tokens(self, points: Tensor, labels: Tensor) -> Tensor:
        """Embed points.

        Args:
            points: float32 (P, N, 2), x and y in input pixels as upstream counts them (a pixel's own index).
            labels: int (P, N): 1 object, 0 not the object, 2 and 3 a box's corners, -1 padding.

        Returns:
            float32 (P, N, width).
        """
        table = torch.cat([self.not_a_point_embed.weight, *self.point_embeddings.parameters()])
        kind = F.embedding((labels + 1).long(), table)
        place = self.pe_layer((points + 0.5) / self.canvas)
        return kind + place * (labels >= 0).to(place.dtype)[..., None]

    def dense_positions(self, height: int, width: int) -> Tensor:
        """Features of every place of a (height, width) embedding: float32 (height * width, channels), row by row."""
        matrix = self.pe_layer.positional_encoding_gaussian_matrix
        y = (torch.arange(height, device=matrix.device) + 0.5) * (self.stride / self.canvas)
        x = (torch.arange(width, device=matrix.device) + 0.5) * (self.stride / self.canvas)
        # The angle is a sum over the two axes, so each axis is projected once instead of every place.
        along_y = (2 * y - 1)[:, None, None] * matrix[1]
        along_x = (2 * x - 1)[None, :, None] * matrix[0]
        angles = 2 * math.pi * (along_y + along_x)
        return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(0, 1)

    def dense_mask(self, mask: Tensor, has_mask: Tensor) -> Tensor:
        """Embed mask prompts.

        Args:
            mask: float32 (P, 1, 4h, 4w) logits.
            has_mask: float32 (P,), 1 where the prompt has a mask and 0 where `mask` is to be ignored.

        Returns:
            float32 (P, h * w, channels), row by row.
        """
        embedded = self.mask_downscaling(mask).flatten(2).transpose(1, 2)
        present = has_mask[:, None, None]
        return present * embedded + (1 - present) * self.no_mask_embed.weight
