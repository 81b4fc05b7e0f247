"""The two-way transformer of SAM's mask decoder: prompt tokens attend to the image, and the image to the tokens."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ReducedAttention(nn.Module):
    """Multi-head attention whose inside may be narrower than its ends."""

    def __init__(self, width: int, heads: int, reduction: int = 1) -> None:
        """Attend with `width // reduction` channels in `heads` heads."""
        super().__init__()
        inside = width // reduction
        self.heads = heads
        self.head_width = inside // heads
        self.q_proj = nn.Linear(width, inside)
        self.k_proj = nn.Linear(width, inside)
        self.v_proj = nn.Linear(width, inside)
        self.out_proj = nn.Linear(inside, width)

    def split(self, x: Tensor) -> Tensor:
        """(P, N, inside) to (P, heads, N, head width)."""
        return x.view(x.shape[0], x.shape[1], self.heads, self.head_width).transpose(1, 2)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(P, N, C) queries on (P, M, C) keys and values: (P, N, C)."""
        q, k, v = self.split(self.q_proj(query)), self.split(self.k_proj(key)), self.split(self.v_proj(value))
        scores = (q * self.head_width**-0.5) @ k.transpose(2, 3)
        mixed = (scores.softmax(dim=3) @ v).transpose(1, 2).flatten(2)
        return self.out_proj(mixed)

    def of_few(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Do the same for few queries on many places: a query is brought to the keys' channels, not they to its.

        The bias of the keys moves all scores of a query alike, so that it falls out. Weights are brought to a sum of
        one only when the places are mixed: a softmax between two products OpenVINO fuses with both, to a loop that one
        thread alone runs for one prompt.
        """
        prompts, few, _ = query.shape
        q = self.split(self.q_proj(query)) * self.head_width**-0.5
        at_keys = (q @ self.by_head(self.k_proj)).flatten(1, 2)
        scores = at_keys @ key.transpose(1, 2)
        weights = (scores - scores.amax(dim=2, keepdim=True)).exp()
        seen = (weights @ value) / weights.sum(dim=2, keepdim=True)
        by_head = seen.view(prompts, self.heads, few, -1) @ self.by_head(self.v_proj).transpose(1, 2)
        return self.out_proj(by_head.transpose(1, 2).flatten(2) + self.v_proj.bias)

    def on_few(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Do the same for many places on few keys: keys and values are brought to the places' channels.

        Scores lie place by place, so that the softmax over the keys of a head runs along all places at once.
        """
        prompts, few, _ = key.shape
        k, v = self.split(self.k_proj(key)) * self.head_width**-0.5, self.split(self.v_proj(value))
        at_places = (k @ self.by_head(self.q_proj)).flatten(1, 2)
        offset = k @ self.q_proj.bias.view(self.heads, self.head_width, 1)
        scores = (at_places @ query.transpose(1, 2)).view(prompts, self.heads, few, -1) + offset
        weights = scores.softmax(dim=2).flatten(1, 2)
        attended = (v @ self.from_head(self.out_proj)).flatten(1, 2)
        return weights.transpose(1, 2) @ attended + self.out_proj.bias

    def by_head(self, layer: nn.Linear) -> Tensor:
        """Return the weight of a projection to the heads, head by head: (heads, head width, C)."""
        return layer.weight.view(self.heads, self.head_width, -1)

    def from_head(self, layer: nn.Linear) -> Tensor:
        """Return the weight of a projection from the heads, head by head: (heads, head width, C)."""
        return layer.weight.T.view(self.heads, self.head_width, -1)


class TokenMLP(nn.Module):
    """The two-layer network of a block, on tokens."""

    def __init__(self, width: int, hidden: int) -> None:
        """Widen `width` to `hidden` and back."""
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        return self.lin2(F.relu(self.lin1(x)))


class TwoWayBlock(nn.Module):
    """Tokens attend to themselves and to the image; then the image attends to the tokens."""

    def __init__(self, width: int, heads: int, hidden: int, *, first: bool) -> None:
        """In the `first` block the tokens are their own positions, so none are added."""
        super().__init__()
        self.first = first
        self.self_attn = ReducedAttention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = ReducedAttention(width, heads, reduction=2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = TokenMLP(width, hidden)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = ReducedAttention(width, heads, reduction=2)

    def forward(
        self, tokens: Tensor, image: Tensor, tokens_at: Tensor, image_at: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update (P, N, C) tokens and (P, M, C) image places, given the positions of both."""
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + tokens_at
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        keys = image + image_at
        look, answer = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        # In the first block all prompts see one image, which is projected once; and what the encoder gives is not
        # normalised, so that products of its 256 channels lose digits. Later every prompt has its own.
        seen = (look if self.first else look.of_few)(tokens + tokens_at, keys, image)
        tokens = self.norm2(tokens + seen)
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + answer.on_few(keys, tokens + tokens_at, tokens))
        return tokens, image


class TwoWayTransformer(nn.Module):
    """Two blocks, and a last look of the tokens at the image."""

    def __init__(self, width: int = 256, *, depth: int = 2, heads: int = 8, hidden: int = 2048) -> None:
        """Stack `depth` blocks."""
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(width, heads, hidden, first=i == 0) for i in range(depth))
        self.final_attn_token_to_image = ReducedAttention(width, heads, reduction=2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, image: Tensor, image_at: Tensor) -> tuple[Tensor, Tensor]:
        """(P, N, C) tokens, (P or 1, M, C) image places and their (M, C) positions to updated tokens and image."""
        tokens_at = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, tokens_at, image_at)
        seen = self.final_attn_token_to_image.of_few(tokens + tokens_at, image + image_at, image)
        return self.norm_final_attn(tokens + seen), image
