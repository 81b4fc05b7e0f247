"""Arguments that several subcommands take, and how their text is read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from sam_edge.errors import InputError
from sam_edge.parsing import parse_numbers, parse_size
from sam_edge.precision import PRECISIONS, check_precision
from sam_edge.segmenter import Segmenter, check_size, load

__all__ = ["add_model", "open_model", "parse_numbers", "parse_size", "parse_sizes", "precision_type"]


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a model and an engine."""
    parser.add_argument(
        "--model", type=Path, metavar="BUNDLE", help="a bundle's folder (default: the package's own)"
    )
    parser.add_argument(
        "--runtime", default="auto", metavar="NAME", help="engine: auto, onnxruntime, openvino, ..."
    )
    parser.add_argument(
        "--precision",
        type=precision_type(),
        help="for what the model leaves in floating point: fp32 or bf16",
    )
    parser.add_argument("--threads", type=int, help="threads of one inference (default: every core)")
    parser.add_argument(
        "--size", metavar="WxH", help="the encoder's input, for example 672x448 (default: by the frame)"
    )


def precision_type(accepted: Sequence[str] = PRECISIONS) -> Callable[[str], str]:
    """Return argparse's `type` of `--precision`: it replaces former names with a warning and refuses unknown ones."""

    def read(text: str) -> str:
        try:
            return check_precision(text, accepted=accepted, argument="--precision")
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix("--precision: ")) from error

    return read


def open_model(given: argparse.Namespace) -> Segmenter:
    """Open the model that was asked for."""
    return load(given.model, runtime=given.runtime, threads=given.threads, precision=given.precision)


def parse_sizes(option: str, text: str | None) -> list[tuple[int, int]]:
    """Read WIDTHxHEIGHT,WIDTHxHEIGHT,... as (height, width); none where the option is left out.

    Raises:
        InputError: the text is not that, or a size is none that an encoder takes.
    """
    sizes = []
    for word in text.split(",") if text is not None else ():
        size = parse_size(word, option)
        if size is not None:
            sizes.append(check_size(size))
    return sizes
