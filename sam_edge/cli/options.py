"""Options that several subcommands share, and how their text is parsed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from sam_edge.errors import InputError, SamEdgeError
from sam_edge.parsing import parse_numbers, parse_size
from sam_edge.precision import PRECISIONS, check_precision
from sam_edge.segmenter import Segmenter, check_size, load

__all__ = [
    "add_format",
    "add_fps",
    "add_looks",
    "add_min_confidence",
    "add_model",
    "add_value_range",
    "name_options",
    "open_model",
    "option_names",
    "parse_numbers",
    "parse_size",
    "parse_sizes",
    "parse_value_range",
    "precision_type",
]


def add_model(parser: argparse.ArgumentParser, *, threads: str = "all cores") -> None:
    """Add the options that choose a model and an engine; `threads` names the default of `--threads`."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="BUNDLE",
        help="folder of a bundle, or a checkpoint (default: the model in the package)",
    )
    parser.add_argument(
        "--runtime",
        default="auto",
        metavar="NAME",
        help="engine: auto, onnxruntime, openvino, ... (default: auto)",
    )
    parser.add_argument(
        "--precision",
        type=precision_type(),
        help="precision of the layers that are not quantized: fp32, fp16 or bf16 (default: the engine's choice)",
    )
    parser.add_argument("--threads", type=int, help=f"threads of one inference (default: {threads})")
    parser.add_argument(
        "--size",
        metavar="WxH",
        help="input size of the encoder, for example 672x448 (default: chosen by the frame)",
    )
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="compile the model anew, and do not keep it (default: kept in the user's cache folder, which "
        "`sam-edge doctor` names)",
    )


def add_value_range(parser: argparse._ActionsContainer) -> None:
    """Add `--value-range`."""
    parser.add_argument(
        "--value-range",
        metavar="BLACK,WHITE",
        help="stored values that become black and white, for images of more than 8 bits, for example 0,4095 or "
        "29000,31000 (default: by what the image holds)",
    )


def parse_value_range(args: argparse.Namespace) -> tuple[float, float] | None:
    """Return `--value-range`; None where it is not given. Raises `InputError`."""
    if args.value_range is None:
        return None
    black, white = parse_numbers("--value-range", args.value_range, 2)
    if black >= white:
        raise InputError(
            f"--value-range: {args.value_range} is not accepted; give two values, the smaller one first"
        )
    return black, white


def add_looks(parser: argparse._ActionsContainer) -> None:
    """Add the options that say what counts as a look at an object."""
    from sam_edge.timeline import FixationOrigin

    parser.add_argument(
        "--fixations-from",
        choices=get_args(FixationOrigin),
        help="whose fixations (default: those that the recording of the tracker holds, if any)",
    )
    for name, default, text in (
        ("--margin-deg", 0.0, "gaze this near to the mask counts as on the object, degrees"),
        ("--min-on-object", 0.5, "least probability for a fixation or sample to count for an object"),
        ("--max-off-ms", 500.0, "a visit goes on over a pause of at most this, milliseconds"),
    ):
        parser.add_argument(name, type=float, default=default, help=f"{text} (default: {default:g})")


def add_fps(parser: argparse._ActionsContainer, *, of: str = "") -> None:
    """Add `--fps`; `of` says of which video, where a command has other inputs: `" of --video"`."""
    parser.add_argument(
        "--fps",
        type=float,
        metavar="RATE",
        help=f"frames a second{of}, evenly spaced (default: the times that the recording or the video states; 24 a "
        "second for a folder of frames)",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add `--format` and `--recording`."""
    from sam_edge.gaze import recordings

    parser.add_argument(
        "--format",
        metavar="NAME",
        help=f"format of the gaze (default: detected from the content): {', '.join(recordings.formats())}",
    )
    parser.add_argument(
        "--recording",
        dest="recording_name",
        metavar="NAME",
        help="which recording of a file that holds several: its name, its participant, or both, for example "
        "'P01 Recording1'",
    )


def add_min_confidence(parser: argparse.ArgumentParser) -> None:
    """Add the option for the confidence below which gaze counts as lost."""
    parser.add_argument(
        "--min-confidence",
        type=float,
        metavar="0..1",
        help="gaze of lower confidence counts as lost (default: the format's own: 0.6 for Pupil Core, 0 for others)",
    )


def precision_type(accepted: Sequence[str] = PRECISIONS) -> Callable[[str], str]:
    """Return argparse's `type` of `--precision`: it replaces former names with a warning and refuses unknown ones."""

    def read(text: str) -> str:
        try:
            return check_precision(text, accepted=accepted, argument="--precision")
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix("--precision: ")) from error

    return read


def open_model(args: argparse.Namespace) -> Segmenter:
    """Open the model that the options of `add_model` choose."""
    return load(args.model, runtime=args.runtime, threads=args.threads, precision=args.precision)


OTHER_ARGUMENTS = {
    "budget": "--budget-ms",
    "cert and key": "--cert and --key",
    "labelled": "--dataset",
    "masks": "--out",
    "parts": "--only",
    "report": "--out",
    "size": "--sizes",
    "sustained": "--sustained",
}
"""Options of arguments that have another name, where a command has that option."""


def option_names(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the option of each argument that the library names in its errors, for example `px_per_deg`."""
    names: dict[str, str] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                names |= option_names(subparser)
        elif action.option_strings:
            names[action.dest] = action.option_strings[-1]
    options = set(names.values())
    others = {name: text for name, text in OTHER_ARGUMENTS.items() if text.split(" and ")[0] in options}
    return others | names


@contextmanager
def name_options(options: Mapping[str, str]) -> Iterator[None]:
    """Speak of options instead of arguments in the errors of the block: `--size: 100x100` for `size: (100, 100)`.

    Args:
        options: the option of each argument, for example `{"px_per_deg": "--px-per-deg"}`. An argument is recognised at
            the beginning of a message.
    """
    try:
        yield
    except SamEdgeError as error:
        message = str(error)
        start = re.match(r"([a-z_]+(?: and [a-z_]+)?)(: | is )", message)
        if start is None or start[1] not in options:
            raise
        option, rest = options[start[1]], message[len(start[1]) :]
        if option in ("--size", "--sizes"):
            rest = re.sub(r"\((\d+), (\d+)\)", r"\2x\1", rest).replace("(height, width)", "WIDTHxHEIGHT")
        rest = rest.replace(", or None for every core", "; leave the option out for every core")
        error.args = (option + rest,)
        raise


def parse_sizes(option: str, text: str | None) -> list[tuple[int, int]]:
    """Parse WIDTHxHEIGHT,WIDTHxHEIGHT,... as a list of (height, width); empty when `text` is None.

    Raises:
        InputError: the text has another form, or an encoder does not accept a size.
    """
    sizes = []
    for word in text.split(",") if text is not None else ():
        size = parse_size(word, option)
        if size is not None:
            sizes.append(check_size(size))
    return sizes
