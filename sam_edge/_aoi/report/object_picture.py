"""The picture of an object as a page shows it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.masks import mask_to_box
from sam_edge.media import read_image

MAX_SIDE = 420
"""Longest side of a picture in a page, pixels."""
JPEG_QUALITY = 82


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A picture, small enough for a page of hundreds."""

    source: str
    """The picture as a `data:` address."""
    size: tuple[int, int]
    """(height, width), pixels."""
    outline: str
    """The mask's outline as a path of SVG, pixels of the picture."""
    box: tuple[float, float, float, float]
    """Box x0, y0, x1, y1 of the mask, pixels of the picture."""
    time_s: float
    """When the frame that it is part of is shown."""

    @classmethod
    def read(cls, folder: Path) -> PagePicture:
        """Read the picture of an object that `ObjectPicture.write` wrote."""
        facts: dict[str, Any] = json.loads((folder / "object.json").read_text(encoding="utf-8"))
        image, mask = read_image(folder / "picture.png"), read_image(folder / "mask.png")[:, :, 0]
        scale = min(1.0, MAX_SIDE / max(mask.shape))
        width, height = (max(1, round(side * scale)) for side in (mask.shape[1], mask.shape[0]))
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        own = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA) >= 128
        return cls(
            _as_address(np.asarray(small, np.uint8)),
            (height, width),
            _outline(own),
            mask_to_box(own) or (0.0, 0.0, float(width), float(height)),
            float(facts["time_s"]),
        )


def _as_address(image: NDArray[np.uint8]) -> str:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _outline(mask: NDArray[np.bool_]) -> str:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return "".join(
        "M" + "L".join(f"{x},{y}" for x, y in cv2.approxPolyDP(contour, 0.7, True)[:, 0].tolist()) + "Z"
        for contour in contours
        if len(contour) > 2
    )
