"""SAM's mask decoder: an embedding and prompt tokens to four masks and their predicted IoU.

Kirillov et al., "Segment Anything" (2023). The two transposed convolutions have stride 2 and kernel 2, so each is a
matrix product at every place. Their 2x2 blocks are put in order only at the end, on four masks instead of on 64
channels.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam_edge.nn.layers import ChannelNorm
from sam_edge.nn.two_way import TwoWayTransformer

MASKS = 4
"""Masks a prompt: token 0 is the single mask, 1 to 3 the three of the multimask output."""


class MLP(nn.Module):
    """Three linear layers with ReLU between them."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        """Map `inputs` to `outputs` values."""
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class MaskDecoder(nn.Module):
    """Tokens and an embedding to low-resolution logits and scores."""

    def __init__(self, width: int = 256) -> None:
        """Decode embeddings of `width` channels."""
        super().__init__()
        self.width = width
        self.transformer = TwoWayTransformer(width)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MASKS, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, 2, 2),
            ChannelNorm(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(width, width, width // 8) for _ in range(MASKS))
        self.iou_prediction_head = MLP(width, 256, MASKS)

    def upscale(self, image: Tensor) -> Tensor:
        """(P, places, width) to (P, places, 4, 4, width / 8): each place becomes a 4x4 patch, coarse block first."""
        first = cast(nn.ConvTranspose2d, self.output_upscaling[0])
        norm = cast(ChannelNorm, self.output_upscaling[1])
        second = cast(nn.ConvTranspose2d, self.output_upscaling[3])
        return F.gelu(doubled(F.gelu(norm.channels_last(doubled(image, first))), second))

    def forward(
        self, image: Tensor, image_at: Tensor, tokens: Tensor, height: int, width: int
    ) -> tuple[Tensor, Tensor]:
        """Decode.

        Args:
            image: float32 (P or 1, height * width, C), the embedding with its mask prompt added, row by row.
            image_at: float32 (height * width, C), positions of the same places.
            tokens: float32 (P, N, C), prompt tokens.
            height: rows of the embedding.
            width: columns of the embedding.

        Returns:
            Logits float32 (P, 4, 4 * height, 4 * width) and scores (predicted IoU) float32 (P, 4).
        """
        prompts = tokens.shape[0]
        outputs = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([outputs.expand(prompts, -1, -1), tokens], dim=1)
        tokens, image = self.transformer(tokens, image, image_at)
        kernels = torch.stack(
            [mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        patches = self.upscale(image).flatten(1, 3)
        flat = kernels @ patches.transpose(1, 2)
        blocks = flat.view(prompts, MASKS, height, width, 2, 2, 2, 2)
        logits = blocks.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(prompts, MASKS, 4 * height, 4 * width)
        return logits, self.iou_prediction_head(tokens[:, 0])


def doubled(x: Tensor, layer: nn.ConvTranspose2d) -> Tensor:
    """Apply a 2x2 transposed convolution of stride 2 at every place: (..., C) to (..., 4, outputs)."""
    weight = layer.weight.permute(0, 2, 3, 1).reshape(layer.in_channels, 4 * layer.out_channels)
    bias = layer.bias.repeat(4) if layer.bias is not None else None
    return F.linear(x, weight.T, bias).view(*x.shape[:-1], 4, layer.out_channels)
