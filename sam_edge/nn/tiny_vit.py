"""TinyViT, the image encoder of MobileSAM.

Wu et al., "TinyViT: Fast Pretraining Distillation for Small Vision Transformers" (2022), in the shape that Zhang et
al., "Faster Segment Anything: Towards Lightweight SAM for Mobile Applications" (2023) train it: stride 16 in the end,
256 channels out. Inside the transformer stages a tensor is a list of places, (B, H x W, C): engines then keep it as it
lies, where an image of the same content tempts them to reorder it before every second layer.

Windows of 7, 14, 7 lie at strides 8, 16, 16. An input whose sides are multiples of 224 is cut without padding; any
other multiple of 16 pads the last windows with zeros, as upstream does at 1024.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam_edge.nn.layers import ChannelNorm, ConvNorm, into_windows, out_of_windows


@dataclass(frozen=True, slots=True)
class TinyViTConfig:
    """The sizes of a TinyViT. The defaults are MobileSAM's."""

    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    """Channels of each stage."""
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    """Blocks in each stage."""
    heads: tuple[int, int, int, int] = (2, 4, 5, 10)
    """Attention heads of each stage; the first stage has none and its entry is not used."""
    windows: tuple[int, int, int, int] = (7, 7, 14, 7)
    """Side of the attention windows of each stage; the first entry is not used."""
    expansion: int = 4
    """How much wider the hidden layers are."""
    outputs: int = 256
    """Channels of the embedding."""


class PatchEmbed(nn.Module):
    """Two convolutions of stride 2: image to tokens at stride 4."""

    def __init__(self, width: int) -> None:
        """Give `width` channels out."""
        super().__init__()
        self.seq = nn.Sequential(
            ConvNorm(3, width // 2, kernel=3, stride=2),
            nn.GELU(),
            ConvNorm(width // 2, width, kernel=3, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, width, H / 4, W / 4)."""
        return self.seq(x)


class MBConv(nn.Module):
    """Inverted bottleneck: widen, convolve each channel, narrow, add."""

    def __init__(self, width: int, expansion: int) -> None:
        """Keep `width` channels, with `expansion` times as many inside."""
        super().__init__()
        hidden = width * expansion
        self.conv1 = ConvNorm(width, hidden)
        self.conv2 = ConvNorm(hidden, hidden, kernel=3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        inside = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(self.conv3(inside) + x)


class PatchMerging(nn.Module):
    """Step from one stage to the next: change width, and halve the size unless `stride` is 1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """Convolve each of the `outputs` channels with `stride`."""
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs)
        self.conv2 = ConvNorm(outputs, outputs, kernel=3, stride=stride, groups=outputs)
        self.conv3 = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H / stride, W / stride)."""
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


def relative_offsets(window: int) -> Tensor:
    """Number the distances (|dy|, |dx|) between the places of a window: uint8 (window^2, window^2).

    Places are numbered row by row, and distances in the order in which a row-by-row walk first meets them, which is how
    the checkpoint orders its biases.
    """
    places = torch.arange(window * window)
    rows, columns = places // window, places % window
    distance_y = (rows[:, None] - rows[None, :]).abs()
    distance_x = (columns[:, None] - columns[None, :]).abs()
    return (distance_y * window + distance_x).to(torch.uint8)


class Attention(nn.Module):
    """Multi-head attention inside a window, with a learned bias for every relative distance."""

    offsets: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        """Split `width` channels into `heads`; a window has `window` x `window` places."""
        super().__init__()
        self.heads = heads
        self.head_width = width // heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        self.register_buffer("offsets", relative_offsets(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(windows, places, width) to the same shape."""
        places, width = x.shape[1], x.shape[2]
        packed = self.qkv(self.norm(x)).view(-1, places, self.heads, 3 * self.head_width)
        query, key, value = packed.permute(0, 2, 1, 3).split(self.head_width, dim=3)
        bias = self.attention_biases.index_select(1, self.offsets.long().flatten()).view(-1, places, places)
        scores = (query * self.head_width**-0.5) @ key.transpose(2, 3) + bias
        mixed = (scores.softmax(dim=3) @ value).transpose(1, 2).reshape(-1, places, width)
        return self.proj(mixed)


class FeedForward(nn.Module):
    """The two-layer network of a transformer block."""

    def __init__(self, width: int, hidden: int) -> None:
        """Widen `width` channels to `hidden` and back."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class TinyViTBlock(nn.Module):
    """Window attention, a convolution of each channel, and a feed-forward network."""

    def __init__(self, width: int, heads: int, window: int, expansion: int) -> None:
        """Attend inside windows of `window` x `window` places."""
        super().__init__()
        self.window = window
        self.attn = Attention(width, heads, window)
        self.local_conv = ConvNorm(width, width, kernel=3, groups=width)
        self.mlp = FeedForward(width, width * expansion)

    def attend(self, x: Tensor) -> Tensor:
        """Cut (B, H, W, C) into windows, attend in each, and put them together again: (B, H x W, C)."""
        batch, height, width, channels = x.shape
        cut = into_windows(x, self.window)
        mixed = self.attn(cut.reshape(-1, self.window * self.window, channels))
        joined = mixed.reshape(-1, self.window, self.window, channels)
        return out_of_windows(joined, batch, height, width).reshape(batch, -1, channels)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """(B, H x W, C) to the same shape."""
        batch, _, channels = x.shape
        x = x + self.attend(x.reshape(batch, height, width, channels))
        placed = x.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        x = self.local_conv(placed).permute(0, 2, 3, 1).reshape(batch, -1, channels)
        return x + self.mlp(x)


class ConvStage(nn.Module):
    """The first stage: bottlenecks, then the step to the next stage."""

    def __init__(self, width: int, depth: int, expansion: int, next_width: int) -> None:
        """Hold `depth` bottlenecks of `width` channels."""
        super().__init__()
        self.blocks = nn.ModuleList(MBConv(width, expansion) for _ in range(depth))
        self.downsample = PatchMerging(width, next_width, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, next_width, H / 2, W / 2)."""
        for block in self.blocks:
            x = block(x)
        return self.downsample(x)


class AttentionStage(nn.Module):
    """A later stage: transformer blocks, then the step to the next stage where there is one."""

    def __init__(self, config: TinyViTConfig, index: int) -> None:
        """Build stage `index` of `config`."""
        super().__init__()
        width, last = config.widths[index], index == len(config.widths) - 1
        self.blocks = nn.ModuleList(
            TinyViTBlock(width, config.heads[index], config.windows[index], config.expansion)
            for _ in range(config.depths[index])
        )
        # The last stage keeps stride 16, so that the embedding has SAM's size.
        self.downsample = (
            None if last else PatchMerging(width, config.widths[index + 1], 2 if index < 2 else 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H', W')."""
        batch, channels, height, width = x.shape
        tokens = x.permute(0, 2, 3, 1).reshape(batch, -1, channels)
        for block in self.blocks:
            tokens = block(tokens, height, width)
        x = tokens.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        return x if self.downsample is None else self.downsample(x)


class TinyViT(nn.Module):
    """Image to embedding: float32 (B, 3, H, W), normalised, to float32 (B, 256, H / 16, W / 16)."""

    def __init__(self, config: TinyViTConfig | None = None) -> None:
        """Build the encoder with random weights."""
        super().__init__()
        config = config or TinyViTConfig()
        self.patch_embed = PatchEmbed(config.widths[0])
        first = ConvStage(config.widths[0], config.depths[0], config.expansion, config.widths[1])
        self.layers = nn.ModuleList(
            [first, *(AttentionStage(config, i) for i in range(1, len(config.widths)))]
        )
        self.neck = nn.Sequential(
            nn.Conv2d(config.widths[-1], config.outputs, 1, bias=False),
            ChannelNorm(config.outputs),
            nn.Conv2d(config.outputs, config.outputs, 3, padding=1, bias=False),
            ChannelNorm(config.outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode a normalised image whose sides are multiples of 16."""
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        return self.neck(x)
