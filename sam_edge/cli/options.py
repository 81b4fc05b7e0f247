"""Arguments that several subcommands take, and how their text is read."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from sam_edge.errors import InputError
from sam_edge.segmenter import Segmenter, check_size, load


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a model and an engine."""
    parser.add_argument(
        "--model", type=Path, metavar="BUNDLE", help="a bundle's folder (default: the package's own)"
    )
    parser.add_argument(
        "--runtime", default="auto", metavar="NAME", help="engine: auto, onnxruntime, openvino, ..."
    )
    parser.add_argument("--precision", help="for what the model leaves in floating point: f32 or bf16")
    parser.add_argument("--threads", type=int, help="threads of one inference (default: every core)")
    parser.add_argument(
        "--size", metavar="WxH", help="the encoder's input, for example 672x448 (default: by the frame)"
    )


def open_model(given: argparse.Namespace) -> Segmenter:
    """Open the model that was asked for."""
    return load(given.model, runtime=given.runtime, threads=given.threads, precision=given.precision)


def size_of(text: str | None, option: str = "--size") -> tuple[int, int] | None:
    """Read WIDTHxHEIGHT as (height, width).

    Raises:
        InputError: the text is not that.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise InputError(f"{option}: {text!r} is not accepted; give WIDTHxHEIGHT, for example 672x448")
    return int(found[2]), int(found[1])


def sizes_of(option: str, text: str | None) -> list[tuple[int, int]]:
    """Read WIDTHxHEIGHT,WIDTHxHEIGHT,... as (height, width); none where the option is left out.

    Raises:
        InputError: the text is not that, or a size is none that an encoder takes.
    """
    sizes = []
    for word in text.split(",") if text is not None else ():
        size = size_of(word, option)
        if size is not None:
            sizes.append(check_size(size))
    return sizes


def numbers_of(option: str, text: str, count: int) -> list[float]:
    """Read `count` numbers with commas between them.

    Raises:
        InputError: the text is not that.
    """
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count:
        wanted = {2: "X,Y", 3: "X,Y,LABEL", 4: "X0,Y0,X1,Y1"}[count]
        raise InputError(f"{option}: {text!r} is not accepted; give {wanted}, for example {example(count)}")
    return values


def example(count: int) -> str:
    """Return an example of `count` numbers."""
    return ",".join(str(100 * (index + 1)) for index in range(count))
