"""One picture: encoded for a browser that decodes by itself, or segmented."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.geometry import View
from sam_edge.masks import Masks, Rle, mask_to_polygons
from sam_edge.media.png import encode_png
from sam_edge.parsing import parse_numbers, parse_size
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.serve.image_decoding import read_picture
from sam_edge.serve.models.engines import Engines
from sam_edge.wire.errors import ErrorCode, ProtocolError

PROMPTS = 64
"""Most points of a request."""
MASK_FORMATS = ("coco", "png", "polygons", "none")
POLYGON_TOLERANCE_PX = 1.0
Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """An embedding as a browser gets it."""

    data: bytes
    """Little-endian numbers."""
    told: dict[str, object]
    """What it is."""


def encode(engines: Engines, picture: bytes, query: Query, *, most_pixels: int) -> Encoded:
    """Encode a picture; the query holds `size`, `view`, `dtype` and `engine`.

    Raises:
        ProtocolError: the picture or an option is not accepted.
        EngineError: the engine failed.
    """
    known(query, ("size", "view", "dtype", "engine"))
    dtype = one_of(query, "dtype", ("float32", "float16"))
    size = engines.check_size(parse_size(one(query, "size"), "size"))
    view = view_of(one(query, "view"))
    model = engines.request_segmenter(one(query, "engine") or "")
    begun = time.perf_counter()
    image = read_picture(picture, most_pixels=most_pixels)
    read = time.perf_counter()
    embedding = model.encode(image, size=size, view=view)
    done = time.perf_counter()
    told = {
        **described(embedding, dtype),
        "engine": engine_of(model),
        "picture_ms": round(1e3 * (read - begun), 3),
        "encode_ms": round(1e3 * (done - read), 3),
    }
    return Encoded(embedding.data.astype(np.dtype(dtype).newbyteorder("<")).tobytes(), told)


def segment(engines: Engines, picture: bytes, query: Query, *, most_pixels: int) -> dict[str, object]:
    """Segment a picture; the query holds prompts and options, as docs/protocol.md lists them.

    Raises:
        ProtocolError: the picture, a prompt or an option is not accepted.
        EngineError: the engine failed.
    """
    known(query, ("point", "not_point", "box", "multimask", "masks", "size", "engine"))
    box = one(query, "box")
    inside = [parse_numbers("point", text, 2) for text in query.get("point", ())]
    outside = [parse_numbers("not_point", text, 2) for text in query.get("not_point", ())]
    corners = None if box is None else parse_numbers("box", box, 4)
    size = engines.check_size(parse_size(one(query, "size"), "size"))
    if not inside and corners is None:
        raise ProtocolError(
            "prompt: nothing is prompted; give point=x,y or box=x0,y0,x1,y1 in the query",
            ErrorCode.INVALID_OPTION,
        )
    if len(inside) + len(outside) > PROMPTS:
        raise ProtocolError(
            f"prompt: {len(inside) + len(outside)} points; accepted: {PROMPTS}", ErrorCode.INVALID_OPTION
        )
    several = one_of(query, "multimask", ("", "true", "false"))
    form = one_of(query, "masks", MASK_FORMATS)
    model = engines.request_segmenter(one(query, "engine") or "")
    begun = time.perf_counter()
    image = read_picture(picture, most_pixels=most_pixels)
    read = time.perf_counter()
    embedding = model.encode(image, size=size)
    encoded = time.perf_counter()
    masks = model.decode(
        embedding,
        points=[*inside, *outside] or None,
        labels=[1] * len(inside) + [0] * len(outside) or None,
        boxes=corners,
        multimask={"": None, "true": True, "false": False}[several],
    )
    done = time.perf_counter()
    return {
        "schema": 1,
        "engine": engine_of(model),
        "frame": [image.shape[1], image.shape[0]],
        "picture_ms": round(1e3 * (read - begun), 3),
        "encode_ms": round(1e3 * (encoded - read), 3),
        "decode_ms": round(1e3 * (done - encoded), 3),
        "masks": list(masks_told(masks, form)),
    }


def masks_told(masks: Masks, form: str) -> Sequence[dict[str, object]]:
    """Describe masks for JSON, best first."""
    return [
        {
            "token": int(token),
            "score": round(float(score), 4),
            "area_px": int(np.count_nonzero(mask)),
            "box": [float(side) for side in box],
            **mask_told(mask, form),
        }
        for mask, score, token, box in zip(masks.masks, masks.scores, masks.token, masks.boxes, strict=True)
    ]


def mask_told(mask: NDArray[np.bool_], form: str) -> dict[str, object]:
    """Write one mask for JSON."""
    if form == "coco":
        return {"rle": Rle.from_mask(mask).to_json()}
    if form == "png":
        return {"png": base64.b64encode(encode_png(mask)).decode("ascii")}
    if form == "polygons":
        polygons = mask_to_polygons(mask, tolerance_px=POLYGON_TOLERANCE_PX)
        return {"polygons": [polygon.reshape(-1).tolist() for polygon in polygons]}
    return {}


def described(embedding: Embedding, dtype: str) -> dict[str, object]:
    """Say what an embedding is. All pairs are width, height or x, y."""
    placement, view = embedding.placement, embedding.view
    return {
        "shape": list(embedding.data.shape),
        "dtype": dtype,
        "frame": list(embedding.frame_size[::-1]),
        "view": [view.x0, view.y0, view.width, view.height],
        "size": list(placement.size[::-1]),
        "inside": list(placement.inside[::-1]),
        "scale": [float(one) for one in placement.scale],
    }


def engine_of(model: Segmenter) -> str:
    """Say where a model runs."""
    return f"{model.runtime.name}, {model.runtime.precision}"


def known(query: Query, names: Sequence[str]) -> None:
    """Refuse options that do not exist.

    Raises:
        ProtocolError: names the first one.
    """
    unknown = sorted(set(query) - set(names))
    if unknown:
        raise ProtocolError(
            f"option: {unknown[0][:40]!r} is not known; accepted: {', '.join(names)}",
            ErrorCode.INVALID_OPTION,
        )


def one(query: Query, name: str) -> str | None:
    """Return an option that may be given once.

    Raises:
        ProtocolError: it is given twice.
    """
    values = query.get(name, ())
    if len(values) > 1:
        raise ProtocolError(
            f"{name}: it is given {len(values)} times; accepted: once", ErrorCode.INVALID_OPTION
        )
    return values[0] if values else None


def one_of(query: Query, name: str, accepted: Sequence[str]) -> str:
    """Return an option that is one of some words; the first one unless given.

    Raises:
        ProtocolError: it is none of them.
    """
    value = one(query, name)
    if value is None:
        return accepted[0]
    if value not in accepted:
        words = ", ".join(word for word in accepted if word)
        raise ProtocolError(
            f"{name}: {value[:40]!r} is not accepted; accepted: {words}", ErrorCode.INVALID_OPTION
        )
    return value


def view_of(text: str | None) -> View | None:
    """Read x0,y0,width,height as a view.

    Raises:
        InputError: the text is not that.
    """
    if text is None:
        return None
    x0, y0, width, height = parse_numbers("view", text, 4, "X0,Y0,WIDTH,HEIGHT")
    # A view snaps to whole pixels itself.
    return View(x0, y0, width, height)  # type: ignore[arg-type]
