"""Small modules that several parts of the network share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvNorm(nn.Sequential):
    """A convolution without bias and its batch normalisation, under the checkpoint's names `c` and `bn`."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        """Pad so that a stride of 1 keeps the size."""
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.add_module("c", convolution)
        self.add_module("bn", nn.BatchNorm2d(outputs))

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """Return one convolution that computes the same in evaluation mode."""
        convolution, norm = self[0], self[1]
        if not isinstance(convolution, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
            raise TypeError("ConvNorm holds a convolution and a batch normalisation")
        if norm.running_mean is None or norm.running_var is None:
            raise TypeError("batch normalisation without running statistics cannot be folded")
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        merged = nn.Conv2d(
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel_size[0],
            convolution.stride[0],
            convolution.kernel_size[0] // 2,
            groups=convolution.groups,
        )
        merged.weight.copy_(convolution.weight * gain[:, None, None, None])
        if merged.bias is not None:
            merged.bias.copy_(norm.bias - norm.running_mean * gain)
        return merged


def fold_batch_norms(module: nn.Module) -> None:
    """Replace every `ConvNorm` inside `module` by a single convolution, in place.

    Exporters call it first: quantizers then see the convolution that really runs.
    """
    for name, child in module.named_children():
        if isinstance(child, ConvNorm):
            setattr(module, name, child.folded())
        else:
            fold_batch_norms(child)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of (B, C, H, W), with the checkpoint's `weight` and `bias`.

    Upstream calls it LayerNorm2d. Computed on channels-last tensors, where it is a plain layer normalisation.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        """Normalise `channels` values at every place."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def channels_last(self, x: Tensor) -> Tensor:
        """Normalise the last axis of `x`."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the channels of (B, C, H, W)."""
        return self.channels_last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def into_windows(x: Tensor, side: int) -> Tensor:
    """Cut (B, H, W, C) into windows of `side` x `side` places: (windows, side, side, C), row by row.

    Windows that reach over the edge are filled with zeros.
    """
    batch, height, width, channels = x.shape
    rows, columns, below, right = windows_over(height, width, side)
    padded = F.pad(x, (0, 0, 0, right, 0, below)) if needs_padding(below, right) else x
    cut = padded.view(batch, rows, side, columns, side, channels).transpose(2, 3)
    return cut.reshape(batch * rows * columns, side, side, channels)


def out_of_windows(windows: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Put windows (windows, side, side, C) together again: (B, H, W, C), without what reached over the edge."""
    side, channels = windows.shape[1], windows.shape[3]
    rows, columns, below, right = windows_over(height, width, side)
    joined = windows.view(batch, rows, columns, side, side, channels).transpose(2, 3)
    whole = joined.reshape(batch, rows * side, columns * side, channels)
    return whole[:, :height, :width] if needs_padding(below, right) else whole


def windows_over(height: int, width: int, side: int) -> tuple[int, int, int, int]:
    """Return the rows and columns of windows that cover an area, and the places that they add below and right."""
    rows, columns = (height + side - 1) // side, (width + side - 1) // side
    return rows, columns, rows * side - height, columns * side - width


def needs_padding(below: int | torch.SymInt, right: int | torch.SymInt) -> bool:
    """Whether windows reach over the edge. A size that is unknown while tracing counts as one that may need it."""
    if isinstance(below, torch.SymInt) or isinstance(right, torch.SymInt):
        return True
    return below > 0 or right > 0
