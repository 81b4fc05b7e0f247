"""The reference of everything mode: PyPI's `segment-anything` with MobileSAM's weights.

Prompt encoder, mask decoder and mask generator are the package's own; the image encoder is `sam_edge.nn.TinyViT`, which
the tests compare with upstream's. The package imports three functions and PIL's resize from torchvision: where that is
not installed, stand-ins of the same meaning take their place (NMS in plain torch, `PIL.Image.resize`).
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sam_edge.nn import load_mobile_sam

CANVAS = 1024
"""Side of the input that the reference encodes, pixels."""


class Encoder(nn.Module):
    """MobileSAM's image encoder as `segment-anything` calls it."""

    img_size = CANVAS

    def __init__(self, tiny_vit: nn.Module) -> None:
        """Wrap `tiny_vit`."""
        super().__init__()
        self.tiny_vit = tiny_vit

    def forward(self, image: Tensor) -> Tensor:
        """Normalised (1, 3, 1024, 1024) to the embedding."""
        made: Tensor = self.tiny_vit(image)
        return made


def reference_generator(checkpoint: Path, **settings: Any) -> Any:
    """Build `SamAutomaticMaskGenerator` with MobileSAM's official weights; `settings` are its own arguments."""
    install_stand_ins()
    from segment_anything import SamAutomaticMaskGenerator

    return SamAutomaticMaskGenerator(reference_model(checkpoint), **settings)


def reference_predictor(checkpoint: Path) -> Any:
    """Build the original `SamPredictor` with MobileSAM's official weights."""
    install_stand_ins()
    from segment_anything import SamPredictor

    return SamPredictor(reference_model(checkpoint))


def reference_model(checkpoint: Path) -> Any:
    """Build the original's `Sam` round MobileSAM's encoder."""
    install_stand_ins()
    from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    ours = load_mobile_sam(checkpoint)
    weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
    sam = Sam(
        image_encoder=Encoder(ours.image_encoder),
        prompt_encoder=PromptEncoder(
            embed_dim=256, image_embedding_size=(64, 64), input_image_size=(CANVAS, CANVAS), mask_in_chans=16
        ),
        mask_decoder=MaskDecoder(
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
            transformer_dim=256,
        ),
    )
    for part in ("prompt_encoder", "mask_decoder"):
        own = {
            name.removeprefix(f"{part}."): value for name, value in weights.items() if name.startswith(part)
        }
        getattr(sam, part).load_state_dict(own)
    return sam.eval()


def install_stand_ins() -> None:
    """Give `segment-anything` what it imports from torchvision, where torchvision is not installed."""
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is not None:
        return
    names: dict[str, dict[str, Any]] = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": batched_nms, "box_area": box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": resize, "to_pil_image": to_pil_image},
    }
    for name, content in names.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        sys.modules[name] = module


def box_area(boxes: Tensor) -> Tensor:
    """Return the areas of boxes (N, 4)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Suppress boxes of one category, best first."""
    if idxs.any():
        raise ValueError("one category is what the generator gives")
    left = torch.argsort(scores, descending=True, stable=True)
    areas, kept = box_area(boxes), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        sides = torch.minimum(boxes[best, 2:], boxes[left, 2:]) - torch.maximum(
            boxes[best, :2], boxes[left, :2]
        )
        shared = sides.clamp(min=0).prod(dim=1)
        left = left[~(shared / (areas[best] + areas[left] - shared) > iou_threshold)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long)


def to_pil_image(image: NDArray[np.uint8]) -> Any:
    """Return an RGB array as a PIL image."""
    from PIL import Image

    return Image.fromarray(image)


def resize(image: Any, size: tuple[int, int]) -> Any:
    """Scale a PIL image to (height, width), bilinear, as torchvision does with PIL images."""
    from PIL import Image

    return image.resize(size[::-1], Image.Resampling.BILINEAR)
