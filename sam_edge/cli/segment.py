"""`sam-edge segment`: an image with points and boxes in, masks out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from sam_edge.cli.options import (
    add_model,
    add_value_range,
    open_model,
    parse_numbers,
    parse_size,
    parse_value_range,
)
from sam_edge.errors import InputError
from sam_edge.masks import Masks
from sam_edge.media.images import read_image, write_png
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.media.overlay import draw_selection


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `segment`."""
    parser = subparsers.add_parser("segment", help="segment an object in an image by points and boxes")
    parser.add_argument("image", type=Path, help="an image file")
    parser.add_argument(
        "--point", action="append", default=[], metavar="X,Y", help="a point on the object; repeatable"
    )
    parser.add_argument(
        "--negative-point",
        action="append",
        default=[],
        metavar="X,Y",
        help="a point outside the object; repeatable",
    )
    parser.add_argument("--box", metavar="X0,Y0,X1,Y1", help="a box around the object")
    parser.add_argument("--out", type=Path, metavar="PNG", help="write the best mask, 255 on the object")
    parser.add_argument(
        "--overlay", type=Path, metavar="PNG", help="write the image with the mask drawn on it"
    )
    parser.add_argument(
        "--json", action="store_true", help="print scores, boxes and areas of the masks as JSON"
    )
    add_value_range(parser)
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Segment the image, write the outputs, and print the masks."""
    outputs = [Output(f"--{name}", getattr(args, name), endings=(".png",)) for name in ("out", "overlay")]
    with prepare_outputs(*outputs, inputs={"IMAGE": args.image}):
        return segment_image(args)


def segment_image(args: argparse.Namespace) -> int:
    """Segment the image; the outputs are checked."""
    image = read_image(args.image, value_range=parse_value_range(args))
    points = [parse_numbers("--point", text, 2) for text in args.point]
    negative = [parse_numbers("--negative-point", text, 2) for text in args.negative_point]
    box = parse_numbers("--box", args.box, 4) if args.box else None
    if not points and box is None:
        raise InputError("prompt: none is given; give --point X,Y or --box X0,Y0,X1,Y1")
    labels = [1] * len(points) + [0] * len(negative)
    with open_model(args) as model:
        begun = time.perf_counter()
        embedding = model.encode(image, size=parse_size(args.size))
        encoded = time.perf_counter()
        masks = model.decode(embedding, points=(points + negative) or None, labels=labels or None, boxes=box)
        decoded = time.perf_counter()
        engine = f"{model.runtime.name}, {model.runtime.precision}, {model.runtime.threads} threads"
    if args.out:
        write_png(args.out, masks.best)
    if args.overlay:
        box_drawn = tuple(float(value) for value in masks.boxes[0])
        write_png(args.overlay, draw_selection(image, mask=masks.best, box=box_drawn))  # type: ignore[arg-type]
    times = {"encode_ms": 1e3 * (encoded - begun), "decode_ms": 1e3 * (decoded - encoded)}
    if args.json:
        json.dump(describe(masks, engine, times), sys.stdout, indent=1)
        print()
    else:
        print(table(masks))
        print(
            f"{engine}; encode {times['encode_ms']:.0f} ms, decode {times['decode_ms']:.0f} ms, both including warm-up"
        )
    return 0


def describe(masks: Masks, engine: str, times: dict[str, float]) -> dict[str, object]:
    """Return masks as plain values for JSON."""
    return {
        "schema": 1,
        "engine": engine,
        **{name: round(value, 3) for name, value in times.items()},
        "masks": [
            {
                "token": int(token),
                "score": round(float(score), 4),
                "area_px": int(np.count_nonzero(mask)),
                "box": [float(value) for value in box],
            }
            for mask, score, token, box in zip(
                masks.masks, masks.scores, masks.token, masks.boxes, strict=True
            )
        ],
    }


def table(masks: Masks) -> str:
    """Return masks as a table for the terminal, best first."""
    lines = ["mask   score   area (px)   box"]
    for rank, (mask, score, box) in enumerate(zip(masks.masks, masks.scores, masks.boxes, strict=True)):
        name = "best" if rank == 0 else f"{rank + 1}"
        corners = ", ".join(f"{value:.0f}" for value in box)
        lines.append(f"{name:<6}{score:>6.3f}{np.count_nonzero(mask):>12}   {corners}")
    return "\n".join(lines)
