"""The follower: corrects a carried mask by the likeness of a crop to two earlier ones, on frozen features.

The frozen part is the beginning of the image encoder: patch embedding and two stages of TinyViT. Every place of the
crop is compared with all places of two crops whose masks are known, one that is trusted and the one before, as memory
networks do (Oh et al., "Video Object Segmentation using Space-Time Memory Networks", 2019); what was on the object
there, and the carried mask, are then refined at strides 8, 4 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam_edge.nn.sam import Sam
from sam_edge.nn.tiny_vit import AttentionStage, ConvStage, TinyViT

CLIP = 8.0
"""Logits of carried masks are clipped to this."""
TINY = 1e-12
"""Keeps a division by a sum of weights finite."""


@dataclass(frozen=True, slots=True)
class FollowerConfig:
    """The sizes of the trained part."""

    key_width: int = 56
    """Channels of the keys that places are compared by."""
    heads: int = 2
    """Comparisons of their own sharpness and reach."""
    widths: tuple[int, int, int] = (64, 24, 12)
    """Channels at strides 8, 4 and 2."""
    depths: tuple[int, int, int] = (2, 2, 1)
    """Residual blocks at strides 8, 4 and 2."""


COLOUR_MEAN, COLOUR_STD = 114.0, 58.0
"""Colours of a crop are shifted and scaled by these for the trained part."""


def normalise_colours(images: Tensor) -> Tensor:
    """Scale colours uint8 to about -2..2."""
    return (images.float() - COLOUR_MEAN) / COLOUR_STD


class FrozenFeatures(nn.Module):
    """The beginning of the image encoder: features at strides 4 and 8."""

    def __init__(self, encoder: TinyViT) -> None:
        """Take the first layers of `encoder`."""
        super().__init__()
        first, second = encoder.layers[0], encoder.layers[1]
        if not isinstance(first, ConvStage) or not isinstance(second, AttentionStage):
            raise TypeError("the follower's features are those of a TinyViT")
        self.patch_embed = encoder.patch_embed
        self.first = first
        self.blocks = second.blocks

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised (B, 3, H, W) to (B, 64, H / 4, W / 4) and (B, 128, H / 8, W / 8)."""
        fine = self.patch_embed(image)
        for block in self.first.blocks:
            fine = block(fine)
        coarse = self.first.downsample(fine)
        batch, channels, height, width = coarse.shape
        tokens = coarse.permute(0, 2, 3, 1).reshape(batch, -1, channels)
        for block in self.blocks:
            tokens = block(tokens, height, width)
        return fine, tokens.permute(0, 2, 1).reshape(batch, channels, height, width)


class TwoScales(nn.Module):
    """A linear map of the features at strides 4 and 8 to stride 8."""

    def __init__(self, width: int) -> None:
        """Give `width` channels out."""
        super().__init__()
        self.fine = nn.Conv2d(64, width, 2, stride=2)
        self.coarse = nn.Conv2d(128, width, 1)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """(B, 64, H, W) and (B, 128, H / 2, W / 2) to (B, width, H / 2, W / 2)."""
        return self.fine(fine) + self.coarse(coarse)


def frozen_features(sam: Sam) -> FrozenFeatures:
    """Return the frozen part of a model.

    Raises:
        TypeError: its encoder is no TinyViT.
    """
    if not isinstance(sam.image_encoder, TinyViT):
        raise TypeError("the follower's features are those of a TinyViT")
    return FrozenFeatures(sam.image_encoder).eval()


class Residual(nn.Module):
    """Two convolutions of 3x3, added."""

    def __init__(self, width: int) -> None:
        """Keep `width` channels."""
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class MemoryMatch(nn.Module):
    """Reads the mask of an earlier crop at the places that look alike, near ones first.

    A place that looks like none of them may choose a further one that has no mask; how far it does is read, too.
    """

    places: Tensor

    def __init__(self, config: FollowerConfig, side: int) -> None:
        """Compare `side` x `side` places."""
        super().__init__()
        self.side = side
        self.sharpness = nn.Parameter(torch.linspace(2.5, 3.0, config.heads))
        self.nearness = nn.Parameter(torch.linspace(-4.0, -2.0, config.heads))
        self.nowhere = nn.Parameter(torch.zeros(config.heads))
        steps = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).reshape(side**2, 2)
        self.register_buffer("places", grid, persistent=False)

    def forward(self, queries: Tensor, keys: Tensor, masks: Tensor) -> Tensor:
        """Compare a crop with an earlier one.

        Args:
            queries: unit vectors (B, heads, side^2, width).
            keys: of the earlier crop, the same.
            masks: (B, side^2, cells): the earlier mask in each place, 0 to 1.

        Returns:
            (B, heads * (cells + 1), side, side): the mask that is read, and how much of it is.
        """
        batch, heads, count, _ = queries.shape
        sharpness, near = (value.exp()[:, None, None] for value in (self.sharpness, self.nearness))
        squares = near * self.places.square().sum(dim=1, keepdim=True)
        # The squared distance of two places is a product, too. No logit is above zero, so that none overflows.
        here = torch.cat([self.places.expand(heads, count, 2), torch.ones_like(squares), -squares], dim=2)
        there = torch.cat([2 * near * self.places, -squares - sharpness, torch.ones_like(squares)], dim=2)
        queries = torch.cat([queries * sharpness, here.expand(batch, heads, count, 4)], dim=3)
        keys = torch.cat([keys, there.expand(batch, heads, count, 4)], dim=3)
        nowhere = (self.nowhere[:, None, None] - sharpness).expand(batch, heads, 1, 1)
        keys = torch.cat([keys, F.pad(nowhere, (queries.shape[3] - 2, 1))], dim=2)
        weights = (queries @ keys.transpose(2, 3)).exp()
        values = F.pad(F.pad(masks, (0, 1), value=1.0), (0, 0, 0, 1))
        values = F.pad(values, (0, 1), value=1.0)[:, None]
        read = weights @ values.expand(batch, heads, *values.shape[2:])
        read = read[..., :-1] / (read[..., -1:] + TINY)
        return read.permute(0, 1, 3, 2).reshape(batch, -1, self.side, self.side)


class Follower(nn.Module):
    """The trained part: features, a carried mask and two memories to a corrected mask."""

    def __init__(self, config: FollowerConfig | None = None, *, side: int = 168) -> None:
        """Build it with random weights, for crops of `side` x `side` pixels."""
        super().__init__()
        self.config = config = config or FollowerConfig()
        self.places = side // 8
        wide, middle, narrow = config.widths
        self.embed = TwoScales(wide)
        self.key = TwoScales(config.key_width)
        self.trusted = MemoryMatch(config, self.places)
        self.before = MemoryMatch(config, self.places)
        self.join8 = nn.Conv2d(wide + 2 * 17 * config.heads + 16, wide, 1)
        self.blocks8 = nn.Sequential(*(Residual(wide) for _ in range(config.depths[0])))
        self.up4 = nn.ConvTranspose2d(wide, middle, 2, stride=2)
        self.side4 = nn.Conv2d(64 + 4, middle, 1)
        self.blocks4 = nn.Sequential(*(Residual(middle) for _ in range(config.depths[1])))
        self.up2 = nn.ConvTranspose2d(middle, narrow, 2, stride=2)
        self.colour2 = nn.Conv2d(3, narrow, 4, stride=2, padding=1)
        self.side2 = nn.Conv2d(1, narrow, 3, padding=1)
        self.blocks2 = nn.Sequential(*(Residual(narrow) for _ in range(config.depths[2])))
        self.out = nn.Conv2d(narrow, 1, 3, padding=1)
        self.confidence = nn.Linear(wide, 1)
        nn.init.zeros_(self.out.weight)

    def embed_crop(self, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Embed features: (B, wide, p, p), and the keys, unit vectors (B, heads, p^2, width)."""
        embedded, keys = self.embed(fine, coarse), self.key(fine, coarse)
        batch = keys.shape[0]
        split = keys.reshape(batch, self.config.heads, -1, self.places**2).transpose(2, 3)
        return embedded, F.normalize(split, dim=3)

    def forward(
        self,
        crop: tuple[Tensor, Tensor, Tensor],
        carried: Tensor,
        trusted: tuple[Tensor, Tensor],
        before: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Correct carried masks.

        Args:
            crop: colours (B, 3, 8p, 8p), normalised; features at strides 4 and 8.
            carried: logits (B, 1, 4p, 4p).
            trusted: keys and mask probabilities (B, 1, 4p, 4p) of a crop whose mask is trusted.
            before: the same of the crop before.

        Returns:
            Logits (B, 1, 4p, 4p), logits of the confidence (B,), and the crop's keys.
        """
        image, fine, coarse = crop
        embedded, keys = self.embed_crop(fine, coarse)
        hint = carried / CLIP
        matches = [
            match(keys, memory_keys, F.pixel_unshuffle(mask, 4).flatten(2).transpose(1, 2))
            for match, (memory_keys, mask) in ((self.trusted, trusted), (self.before, before))
        ]
        x = self.blocks8(self.join8(torch.cat([F.relu(embedded), *matches, F.pixel_unshuffle(hint, 4)], 1)))
        confidence = self.confidence(F.relu(x).mean(dim=(2, 3)))[:, 0]
        lateral = self.side4(torch.cat([fine, F.pixel_unshuffle(hint, 2)], 1))
        x = self.blocks4(self.up4(F.relu(x)) + lateral)
        lateral = self.colour2(image) + self.side2(hint)
        x = self.blocks2(self.up2(F.relu(x)) + lateral)
        return carried / 2 + self.out(F.relu(x)), confidence, keys


class FollowerGraph(nn.Module):
    """The frozen and the trained part, as they are exported. Keys of the crop need neither memory."""

    def __init__(self, sam: Sam, follower: Follower) -> None:
        """Join the beginning of the encoder of `sam` and `follower`."""
        super().__init__()
        self.sam_mean, self.sam_std = sam.pixel_mean, sam.pixel_std
        self.features = frozen_features(sam)
        self.follower = follower

    def forward(
        self,
        image: Tensor,
        carried: Tensor,
        trusted_keys: Tensor,
        trusted_mask: Tensor,
        before_keys: Tensor,
        before_mask: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Correct carried masks: uint8 (B, 8p, 8p, 3) and five tensors of float32 to logits, confidence and keys."""
        fine, coarse = self.features(((image.float() - self.sam_mean) / self.sam_std).permute(0, 3, 1, 2))
        logits, confidence, keys = self.follower(
            (normalise_colours(image).permute(0, 3, 1, 2), fine, coarse),
            carried[:, None],
            (trusted_keys, trusted_mask[:, None]),
            (before_keys, before_mask[:, None]),
        )
        return logits[:, 0], confidence.sigmoid(), keys
