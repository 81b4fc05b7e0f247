"""The two halves of the model in the shapes that Core ML likes best: fixed sizes, few axes, no gather on large tensors.

They compute what `Sam.encode` and `Sam.decode` compute, with the same weights.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sam_edge.errors import ExportError
from sam_edge.nn import Sam
from sam_edge.nn.layers import ChannelNorm, fold_batch_norms
from sam_edge.nn.mask_decoder import MASKS
from sam_edge.nn.tiny_vit import AttentionStage, TinyViT, TinyViTBlock
from sam_edge.nn.two_way import ReducedAttention, TwoWayBlock

EMPTY = -2
"""Label of an empty point slot: no token attends to it, so the result is that of a prompt without it."""
BLOCKED = -1e4
"""Added to the attention score of an empty slot. Its exponential is 0 even in half precision, which it fits in."""
NORM_SHRINK = 1 / 16
"""How much smaller TinyViT's largest normalised values are made in half precision. A power of two, so exact."""
PATCH = 4
"""Side of the block of mask logits that each place of the embedding becomes."""


class CoreMLEncoder(nn.Module):
    """Image to embedding. The mean is subtracted; the division by the deviation lies in the first convolution."""

    mean: Tensor

    def __init__(self, sam: Sam, *, half: bool = False) -> None:
        """Copy the encoder of `sam` and fold normalisations into its convolutions.

        Args:
            sam: the model; not changed.
            half: whether it will run in half precision; see `tame_norms`.

        Raises:
            ExportError: the encoder does not begin with a convolution of the image.
        """
        super().__init__()
        self.encoder = copy.deepcopy(sam.image_encoder).eval()
        fold_batch_norms(self.encoder)
        first = next((part for part in self.encoder.modules() if isinstance(part, nn.Conv2d)), None)
        if first is None or first.in_channels != 3:
            raise ExportError("coreml: the encoder does not begin with a convolution of three colours")
        with torch.no_grad():
            first.weight /= sam.pixel_std[None, :, None, None]
        self.register_buffer("mean", sam.pixel_mean.clone()[None, :, None, None])
        if half and isinstance(self.encoder, TinyViT):
            tame_norms(self.encoder)

    def forward(self, image: Tensor) -> Tensor:
        """RGB (1, 3, H, W) in 0..255 to the embedding (1, 256, H / 16, W / 16)."""
        return cast(Tensor, self.encoder(image - self.mean))


class ShrunkNorm(nn.Module):
    """A layer normalisation of values that are made smaller first, which changes nothing but what fits."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        """Take over the weights of `norm`."""
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.eps = norm.eps * NORM_SHRINK**2

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        return F.layer_norm(x * NORM_SHRINK, self.weight.shape, self.weight, self.bias, self.eps)


@torch.no_grad()
def tame_norms(encoder: TinyViT) -> None:
    """Keep TinyViT's normalisations within half precision, in place.

    On photographs, four of MobileSAM's 22 see values up to 600 whose squares do not fit: those before the attention of
    the last stage, and the two of the neck. They make the encoder give the same embedding for every image, on every
    engine that squares in half precision. A normalisation divides by what it sees, so its input may be scaled at will:
    for the neck the scale lies in the convolutions before it, for the others it is one product.
    """
    last = cast(AttentionStage, encoder.layers[-1])
    for block in last.blocks:
        attention_of = cast(TinyViTBlock, block).attn
        attention_of.norm = cast(nn.LayerNorm, ShrunkNorm(attention_of.norm))
    for place in (0, 2):
        convolution, norm = encoder.neck[place], encoder.neck[place + 1]
        cast(nn.Conv2d, convolution).weight *= NORM_SHRINK
        cast(ChannelNorm, norm).eps *= NORM_SHRINK**2


class CoreMLDecoder(nn.Module):
    """One prompt with a fixed number of point slots on one embedding of a fixed size."""

    positions: Tensor
    outputs: Tensor
    kinds: Tensor

    def __init__(self, sam: Sam, size: tuple[int, int]) -> None:
        """Copy prompt encoder and mask decoder of `sam` for embeddings of `size` (rows, columns)."""
        super().__init__()
        self.rows, self.columns = size
        self.prompts = copy.deepcopy(sam.prompt_encoder).eval()
        self.decoder = copy.deepcopy(sam.mask_decoder).eval()
        with torch.no_grad():
            self.register_buffer("positions", self.prompts.dense_positions(*size)[None].contiguous())
            tokens = torch.cat([self.decoder.iou_token.weight, self.decoder.mask_tokens.weight])
            self.register_buffer("outputs", tokens[None].clone())
            kinds = [self.prompts.not_a_point_embed, *self.prompts.point_embeddings]
            table = torch.cat([cast(nn.Embedding, kind).weight for kind in kinds])
            self.register_buffer("kinds", table.clone())

    def forward(
        self, embedding: Tensor, points: Tensor, labels: Tensor, mask: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode one prompt.

        Args:
            embedding: (1, 256, h, w).
            points: (1, N, 2), x and y in input pixels, a pixel's own index being its place.
            labels: int32 (1, N): 1 object, 0 not, 2 and 3 a box's corners, -1 padding, -2 an empty slot.
            mask: (1, 1, 4h, 4w), logits of a mask prompt.
            has_mask: (1,): 0 where `mask` is to be ignored.

        Returns:
            Logits (1, 4, 4h, 4w) and scores (1, 4).
        """
        places = self.rows * self.columns
        image = embedding.reshape(1, -1, places).transpose(1, 2) + self.dense_mask(mask, has_mask)
        prompts = self.point_tokens(points, labels)
        blocked = (labels == EMPTY).to(points.dtype) * BLOCKED
        blocked = F.pad(blocked, (1 + MASKS, 0))[:, None, None]
        tokens, image = self.attend(torch.cat([self.outputs, prompts], dim=1), image, blocked)
        kernels = torch.stack(
            [mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.decoder.output_hypernetworks_mlps)], dim=1
        )
        logits = kernels @ self.upscale(image).transpose(1, 2)
        scores: Tensor = self.decoder.iou_prediction_head(tokens[:, 0])
        return self.in_order(logits), scores

    def point_tokens(self, points: Tensor, labels: Tensor) -> Tensor:
        """Embed points: what they are, and where. The label is looked up by a product instead of a gather."""
        chosen = (labels[..., None] == torch.arange(-1, len(self.kinds) - 1, dtype=labels.dtype)).to(
            points.dtype
        )
        place = self.prompts.pe_layer((points + 0.5) / self.prompts.canvas)
        return chosen @ self.kinds + place * (labels >= 0).to(points.dtype)[..., None]

    def dense_mask(self, mask: Tensor, has_mask: Tensor) -> Tensor:
        """Embed a mask prompt, or its absence: (1, h * w, 256)."""
        absent = self.prompts.no_mask_embed.weight
        embedded = self.prompts.mask_downscaling(mask)
        embedded = embedded.reshape(1, -1, self.rows * self.columns).transpose(1, 2)
        return absent + has_mask[:, None, None] * (embedded - absent)

    def attend(self, tokens: Tensor, image: Tensor, blocked: Tensor) -> tuple[Tensor, Tensor]:
        """Run the two-way transformer; `blocked` (1, 1, 1, tokens) is added to the scores of tokens as keys."""
        transformer = self.decoder.transformer
        tokens_at = tokens
        for layer in transformer.layers:
            tokens, image = apply_two_way_block(
                cast(TwoWayBlock, layer), tokens, image, tokens_at, self.positions, blocked
            )
        keys = image + self.positions
        seen = apply_attention(transformer.final_attn_token_to_image, tokens + tokens_at, keys, image)
        return transformer.norm_final_attn(tokens + seen), image

    def upscale(self, image: Tensor) -> Tensor:
        """(1, places, 256) to (1, places * 16, 32): each place becomes 4x4 logits, coarse block first."""
        first, norm, _, second, _ = self.decoder.output_upscaling
        wide = upscale_twofold(image, cast(nn.ConvTranspose2d, first))
        return F.gelu(
            upscale_twofold(
                F.gelu(cast(ChannelNorm, norm).channels_last(wide)), cast(nn.ConvTranspose2d, second)
            )
        )

    def in_order(self, logits: Tensor) -> Tensor:
        """(1, 4, places * 16) to (1, 4, 4h, 4w).

        The 16 logits of a place lie as (coarse y, coarse x, fine y, fine x). With the two in the middle exchanged they
        are row by row, and a pixel shuffle lays them out. No value has more than 4 axes.
        """
        places = self.rows * self.columns
        blocks = logits.reshape(MASKS, places, PATCH * PATCH).transpose(1, 2)
        rows_first = blocks.reshape(2 * MASKS, 2, 2, 2 * places).transpose(1, 2)
        channels = rows_first.reshape(1, MASKS * PATCH * PATCH, self.rows, self.columns)
        return F.pixel_shuffle(channels, PATCH)


def apply_attention(
    layer: ReducedAttention, query: Tensor, key: Tensor, value: Tensor, blocked: Tensor | None = None
) -> Tensor:
    """Apply `layer` with something added to the scores of the keys."""
    q, k, v = (
        layer.split(projection(tensor))
        for projection, tensor in ((layer.q_proj, query), (layer.k_proj, key), (layer.v_proj, value))
    )
    scores = (q * layer.head_width**-0.5) @ k.transpose(2, 3)
    scores = scores if blocked is None else scores + blocked
    return cast(Tensor, layer.out_proj((scores.softmax(dim=3) @ v).transpose(1, 2).flatten(2)))


def apply_two_way_block(
    block: TwoWayBlock, tokens: Tensor, image: Tensor, tokens_at: Tensor, image_at: Tensor, blocked: Tensor
) -> tuple[Tensor, Tensor]:
    """Apply one block of the two-way transformer with some tokens blocked."""
    if block.first:
        tokens = apply_attention(block.self_attn, tokens, tokens, tokens, blocked)
    else:
        placed = tokens + tokens_at
        tokens = tokens + apply_attention(block.self_attn, placed, placed, tokens, blocked)
    tokens = block.norm1(tokens)
    keys = image + image_at
    seen = apply_attention(block.cross_attn_token_to_image, tokens + tokens_at, keys, image)
    tokens = block.norm2(tokens + seen)
    tokens = block.norm3(tokens + block.mlp(tokens))
    answer = apply_attention(block.cross_attn_image_to_token, keys, tokens + tokens_at, tokens, blocked)
    return tokens, block.norm4(image + answer)


def upscale_twofold(x: Tensor, layer: nn.ConvTranspose2d) -> Tensor:
    """Apply a 2x2 transposed convolution of stride 2 at every place: (1, M, C) to (1, 4 * M, outputs)."""
    weight = layer.weight.permute(2, 3, 1, 0).reshape(-1, layer.in_channels)
    bias = layer.bias.repeat(4) if layer.bias is not None else None
    return F.linear(x, weight, bias).reshape(1, -1, layer.out_channels)
