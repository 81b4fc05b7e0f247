"""The plain vision transformer of SAM's own image encoders: ViT-B, ViT-L and ViT-H.

Kirillov et al., "Segment Anything" (2023); windows and a few global blocks after Li et al., "Exploring Plain Vision
Transformer Backbones for Object Detection" (2022); relative positions split into rows and columns after Li et al.,
"MViTv2" (2022). Patches of 16, windows of 14: an input whose sides are multiples of 224 is cut without padding.

Positions are absolute. SAM trained on a canvas of 1024, and a smaller input counts as the canvas's top-left corner,
as it does in the prompt encoder: it takes the first rows and columns of the positional embedding. Stretching the whole
embedding over a small input would tell every block that each patch covers more of the canvas than it does, and would
contradict the decoder's positions. See `relative_positions` for what follows for distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam_edge.nn.layers import ChannelNorm, into_windows, out_of_windows

EPSILON = 1e-6
"""Added to variances by the blocks' layer normalisation."""


@dataclass(frozen=True, slots=True)
class ViTConfig:
    """The sizes of a ViT. The defaults are those of SAM's ViT-B."""

    width: int = 768
    """Channels of a token."""
    depth: int = 12
    """Blocks."""
    heads: int = 12
    """Attention heads of a block."""
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    """Which blocks attend to the whole input; the others attend inside windows."""
    window: int = 14
    """Side of the attention windows, in patches."""
    canvas: int = 64
    """Side of the square that positions were learned on, in patches."""
    patch: int = 16
    """Side of a patch, in pixels."""
    expansion: int = 4
    """How much wider the hidden layers are."""
    outputs: int = 256
    """Channels of the embedding."""


VIT_B = ViTConfig()
VIT_L = ViTConfig(width=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23))
VIT_H = ViTConfig(width=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31))


def relative_positions(table: Tensor, size: int) -> Tensor:
    """Look up the learned vector of every distance along one axis.

    The table's middle row is distance 0, and row `middle + d` belongs to a query `d` patches after its key. A smaller
    input takes the rows round the middle, so that a distance of d patches means d patches of the canvas whatever the
    input's size. Upstream stretches the table by interpolation when sizes differ, which is right where the same image
    is shown smaller on a smaller canvas; here the canvas stays and the input is its corner. Distances that the table
    does not reach, in inputs beyond the canvas, count as its longest.

    Args:
        table: float32 (2 * places - 1, channels).
        size: patches along the axis.

    Returns:
        float32 (size, size, channels), by query and key.
    """
    longest = (table.shape[0] - 1) // 2
    place = torch.arange(size, device=table.device)
    distance = (place[:, None] - place[None, :]).clamp(-longest, longest)
    return table.index_select(0, (distance + longest).flatten()).view(size, size, table.shape[1])


class Attention(nn.Module):
    """Multi-head attention among the places of a rectangle, aware of their distances along rows and columns."""

    def __init__(self, width: int, heads: int, places: int) -> None:
        """Split `width` channels into `heads`; distances are learned up to `places` - 1 patches."""
        super().__init__()
        self.heads = heads
        self.head_width = width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * places - 1, self.head_width))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * places - 1, self.head_width))

    def split(self, x: Tensor) -> Tensor:
        """(B, N, C) to (B * heads, N, head width)."""
        batch, places, _ = x.shape
        parts = x.view(batch, places, self.heads, self.head_width).transpose(1, 2)
        return parts.reshape(batch * self.heads, places, self.head_width)

    def distance_scores(self, query: Tensor, rows: int, columns: int) -> Tensor:
        """Score the distances from every query (B * heads, N, head width): (B * heads, N, N)."""
        placed = query.view(-1, rows, columns, self.head_width)
        by_row = relative_positions(self.rel_pos_h, rows).transpose(1, 2)
        by_column = relative_positions(self.rel_pos_w, columns).transpose(1, 2)
        along_y = placed @ by_row
        along_x = (placed.transpose(1, 2) @ by_column).transpose(1, 2)
        both = along_y[..., :, None] + along_x[..., None, :]
        return both.view(-1, rows * columns, rows * columns)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same shape."""
        batch, rows, columns, width = x.shape
        packed = self.qkv(x.flatten(1, 2))
        query, key, value = (self.split(part) for part in packed.split(width, dim=2))
        scores = (query * self.head_width**-0.5) @ key.transpose(1, 2)
        weights = (scores + self.distance_scores(query, rows, columns)).softmax(dim=2)
        mixed = (weights @ value).view(batch, self.heads, rows * columns, self.head_width).transpose(1, 2)
        return self.proj(mixed.reshape(batch, rows, columns, width))


class FeedForward(nn.Module):
    """The two-layer network of a block."""

    def __init__(self, width: int, hidden: int) -> None:
        """Widen `width` channels to `hidden` and back."""
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        return self.lin2(F.gelu(self.lin1(x)))


class Block(nn.Module):
    """Attention, inside windows or to the whole input, and a feed-forward network."""

    def __init__(self, config: ViTConfig, index: int) -> None:
        """Build block `index` of `config`."""
        super().__init__()
        self.window = 0 if index in config.global_blocks else config.window
        """Side of the windows, in patches; 0 where the whole input is attended to."""
        self.norm1 = nn.LayerNorm(config.width, eps=EPSILON)
        self.attn = Attention(config.width, config.heads, self.window or config.canvas)
        self.norm2 = nn.LayerNorm(config.width, eps=EPSILON)
        self.mlp = FeedForward(config.width, config.width * config.expansion)

    def in_windows(self, x: Tensor) -> Tensor:
        """Cut (B, H, W, C) into windows, attend in each, and put them together again.

        Windows that reach over the edge are filled with zeros, which are attended to like any place, as upstream does.
        """
        batch, height, width, _ = x.shape
        return out_of_windows(self.attn(into_windows(x, self.window)), batch, height, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same shape."""
        normed = self.norm1(x)
        x = x + (self.in_windows(normed) if self.window else self.attn(normed))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """One convolution whose stride is its size: image to tokens."""

    def __init__(self, width: int, patch: int) -> None:
        """Give `width` channels for every `patch` x `patch` pixels."""
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, H / patch, W / patch, width)."""
        return self.proj(x).permute(0, 2, 3, 1)


class ViT(nn.Module):
    """Image to embedding: float32 (B, 3, H, W), normalised, to float32 (B, 256, H / 16, W / 16)."""

    def __init__(self, config: ViTConfig | None = None) -> None:
        """Build the encoder with random weights."""
        super().__init__()
        config = config or ViTConfig()
        self.patch_embed = PatchEmbed(config.width, config.patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.canvas, config.canvas, config.width))
        self.blocks = nn.ModuleList(Block(config, index) for index in range(config.depth))
        self.neck = nn.Sequential(
            nn.Conv2d(config.width, config.outputs, 1, bias=False),
            ChannelNorm(config.outputs),
            nn.Conv2d(config.outputs, config.outputs, 3, padding=1, bias=False),
            ChannelNorm(config.outputs),
        )

    def positions(self, rows: int, columns: int) -> Tensor:
        """Cut the top-left part of the positional embedding: float32 (1, rows, columns, width).

        An input beyond the canvas repeats the last row and column: it runs, but nothing was trained there.
        """
        last = self.pos_embed.shape[1] - 1
        y = torch.arange(rows, device=self.pos_embed.device).clamp(max=last)
        x = torch.arange(columns, device=self.pos_embed.device).clamp(max=last)
        # Picked by index, not sliced: exporters take every slice of an encoder for the undoing of a window's padding.
        return self.pos_embed.index_select(1, y).index_select(2, x)

    def forward(self, x: Tensor) -> Tensor:
        """Encode a normalised image whose sides are multiples of 16."""
        x = self.patch_embed(x)
        x = x + self.positions(x.shape[1], x.shape[2])
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))
