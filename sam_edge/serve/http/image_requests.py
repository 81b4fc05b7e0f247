"""One image over HTTP: encoded for a decoder that runs in the browser, or segmented."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.geometry import View
from sam_edge.masks import Masks, Rle, mask_to_polygons
from sam_edge.media.image_decoder import DecodedImage
from sam_edge.media.png import encode_png
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.serve.http.options import (
    Option,
    boolean_type,
    choice_type,
    numbers_type,
    size_type,
    text_type,
    view_type,
)
from sam_edge.serve.image_decoding import read_image
from sam_edge.serve.models.engines import Engines

MAX_POINTS = 64
"""Most points of a request."""
POLYGON_TOLERANCE_PX = 1.0
NOTES = "What was decided for the image, such as how deep values were scaled; left out where nothing was."
Point = list[float]
SizeOption = Annotated[
    tuple[int, int] | None,
    Option(size_type(), "The encoder's input, width x height; by the image unless given."),
]
"""(height, width)."""
EngineOption = Annotated[
    str, Option(text_type(), "One of `/api/info`'s engines; the server's default unless given.")
]


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """Options of `POST /api/encode`."""

    size: SizeOption = None
    view: Annotated[
        View | None,
        Option(view_type("0,0,640,480"), "The part of the image to encode, `x0,y0,width,height`, pixels."),
    ] = None
    dtype: Annotated[str, Option(choice_type("float32", "float16"), "Number format of the body.")] = "float32"
    engine: EngineOption = ""


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """Options of `POST /segment`. Coordinates are pixels of the image."""

    point: Annotated[
        tuple[Point, ...],
        Option(
            numbers_type(2, "320,200"), "A point on the object, `x,y`, pixels. Repeatable.", repeatable=True
        ),
    ] = ()
    negative_point: Annotated[
        tuple[Point, ...],
        Option(numbers_type(2, "10,10"), "A point that is not on the object. Repeatable.", repeatable=True),
    ] = ()
    box: Annotated[
        list[float] | None,
        Option(numbers_type(4, "10,20,300,400"), "A box around the object, `x0,y0,x1,y1`, pixels."),
    ] = None
    multimask: Annotated[
        bool | None,
        Option(boolean_type(), "true: SAM's three masks; false: its single one; all four unless given."),
    ] = None
    masks: Annotated[
        str, Option(choice_type("coco", "png", "polygons", "none"), "How masks are written.")
    ] = "coco"
    size: SizeOption = None
    engine: EngineOption = ""

    def __post_init__(self) -> None:
        """Refuse options without a prompt, and too many points.

        Raises:
            InputError: names what is missing or too much.
        """
        if not self.point and self.box is None:
            raise InputError("prompt: nothing is prompted; give point=x,y or box=x0,y0,x1,y1 in the query")
        count = len(self.point) + len(self.negative_point)
        if count > MAX_POINTS:
            raise InputError(f"prompt: {count} points; accepted: {MAX_POINTS}")


class EmbeddingJson(TypedDict, total=False):
    """What an embedding is. All pairs are width, height or x, y."""

    shape: list[int]
    dtype: str
    frame: Annotated[list[int], "Width and height of the image."]
    view: Annotated[list[int], "x0, y0, width, height of the part that was encoded."]
    size: Annotated[list[int], "Width and height of the encoder's input."]
    inside: Annotated[list[int], "Width and height of the part of the input that shows the image."]
    scale: Annotated[list[float], "Input pixels per image pixel, x and y."]
    engine: str
    notes: Annotated[list[str], NOTES]
    picture_ms: float
    encode_ms: float


class RleJson(TypedDict, total=False):
    """A mask as COCO run lengths."""

    size: Annotated[list[int], "Height and width."]
    counts: str


class MaskJson(TypedDict, total=False):
    """One mask; `rle`, `png` or `polygons` as asked for."""

    token: Annotated[int, "Which of SAM's four masks it is."]
    score: Annotated[float, "Predicted IoU with the truth."]
    area_px: int
    box: Annotated[list[float], "x0, y0, x1, y1, pixels."]
    rle: RleJson
    png: Annotated[str, "A grey PNG in base64, 255 on the object."]
    polygons: list[list[float]]


class SegmentationJson(TypedDict, total=False):
    """The masks of one image, best first."""

    schema: int
    engine: str
    frame: Annotated[list[int], "Width and height of the image."]
    notes: Annotated[list[str], NOTES]
    picture_ms: float
    encode_ms: float
    decode_ms: float
    masks: list[MaskJson]


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An embedding as a browser gets it."""

    data: bytes
    """Little-endian numbers."""
    description: EmbeddingJson
    """Shape, number format, and how it relates to the image."""


def encode_image(
    engines: Engines, image_file: bytes, options: EncodeOptions, *, max_pixels: int
) -> EncodedImage:
    """Encode a JPEG or a PNG.

    Raises:
        InputError: the image or an option is not accepted.
        EngineError: the engine failed.
    """
    model = engines.request_segmenter(options.engine)
    start = time.perf_counter()
    decoded_image = read_image(image_file, max_pixels=max_pixels)
    image = decoded_image.image
    decoded = time.perf_counter()
    embedding = model.encode(image, size=options.size, view=options.view)
    encoded = time.perf_counter()
    description = describe_embedding(embedding, options.dtype)
    description["engine"] = describe_engine(model)
    _add_notes(description, decoded_image)
    description["picture_ms"] = _ms(start, decoded)
    description["encode_ms"] = _ms(decoded, encoded)
    data = embedding.data.astype(np.dtype(options.dtype).newbyteorder("<")).tobytes()
    return EncodedImage(data, description)


def segment_image(
    engines: Engines, image_file: bytes, options: SegmentOptions, *, max_pixels: int
) -> SegmentationJson:
    """Segment a JPEG or a PNG by prompts.

    Raises:
        InputError: the image, a prompt or an option is not accepted.
        EngineError: the engine failed.
    """
    model = engines.request_segmenter(options.engine)
    start = time.perf_counter()
    decoded_image = read_image(image_file, max_pixels=max_pixels)
    image = decoded_image.image
    decoded = time.perf_counter()
    embedding = model.encode(image, size=options.size)
    encoded = time.perf_counter()
    masks = model.decode(
        embedding,
        points=[*options.point, *options.negative_point] or None,
        labels=[1] * len(options.point) + [0] * len(options.negative_point) or None,
        boxes=options.box,
        multimask=options.multimask,
    )
    segmented = time.perf_counter()
    answer: SegmentationJson = {
        "schema": 1,
        "engine": describe_engine(model),
        "frame": [image.shape[1], image.shape[0]],
        "picture_ms": _ms(start, decoded),
        "encode_ms": _ms(decoded, encoded),
        "decode_ms": _ms(encoded, segmented),
        "masks": masks_to_json(masks, options.masks),
    }
    _add_notes(answer, decoded_image)
    return answer


def masks_to_json(masks: Masks, mask_format: str) -> list[MaskJson]:
    """Describe masks, best first, each written in a format of `SegmentOptions.masks`."""
    return [
        {
            "token": int(token),
            "score": round(float(score), 4),
            "area_px": int(np.count_nonzero(mask)),
            "box": [float(side) for side in box],
            **_mask_data(mask, mask_format),
        }
        for mask, score, token, box in zip(masks.masks, masks.scores, masks.token, masks.boxes, strict=True)
    ]


def describe_embedding(embedding: Embedding, dtype: str) -> EmbeddingJson:
    """Say what an embedding is, and how it relates to the image."""
    placement, view = embedding.placement, embedding.view
    return {
        "shape": list(embedding.data.shape),
        "dtype": dtype,
        "frame": list(embedding.frame_size[::-1]),
        "view": [view.x0, view.y0, view.width, view.height],
        "size": list(placement.size[::-1]),
        "inside": list(placement.inside[::-1]),
        "scale": [float(factor) for factor in placement.scale],
    }


def describe_engine(model: Segmenter) -> str:
    """Say where a model runs."""
    return f"{model.runtime.name}, {model.runtime.precision}"


def _add_notes(answer: EmbeddingJson | SegmentationJson, decoded: DecodedImage) -> None:
    if decoded.notes:
        answer["notes"] = [f"the image {note}" for note in decoded.notes]


def _mask_data(mask: NDArray[np.bool_], mask_format: str) -> MaskJson:
    if mask_format == "coco":
        height, width = mask.shape
        return {"rle": {"size": [height, width], "counts": Rle.from_mask(mask).text}}
    if mask_format == "png":
        return {"png": base64.b64encode(encode_png(mask)).decode("ascii")}
    if mask_format == "polygons":
        polygons = mask_to_polygons(mask, tolerance_px=POLYGON_TOLERANCE_PX)
        return {"polygons": [polygon.reshape(-1).tolist() for polygon in polygons]}
    return {}


def _ms(start: float, end: float) -> float:
    return round(1e3 * (end - start), 3)
