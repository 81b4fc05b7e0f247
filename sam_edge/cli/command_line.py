"""The entry point: parse the command line, run one subcommand, print errors in one line."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Generator, Sequence
from types import FrameType
from typing import TextIO

from sam_edge.cli.examples import EXAMPLES
from sam_edge.cli.help import CommandGroup, GroupedHelpParser, add_examples
from sam_edge.cli.options import name_options, option_names
from sam_edge.errors import SamEdgeError, SamEdgeWarning
from sam_edge.runtimes.compiled_cache import OFF, VARIABLE
from sam_edge.version import __version__

GROUPS = (
    CommandGroup("try it", ("demo", "doctor")),
    CommandGroup("select by gaze", ("track", "live", "serve", "replay")),
    CommandGroup("analyse what people looked at", ("aoi", "batch", "gaze")),
    CommandGroup("masks and datasets", ("segment", "everything", "annotate")),
    CommandGroup("models and speed", ("profile", "export", "verify", "train")),
)
"""The subcommands by purpose, in the order of the help."""
COMMANDS = tuple(name for group in GROUPS for name in group.names)
MOST_USED = (
    ("sam-edge demo", "the clip in the package: annotated video, masks, times"),
    ("sam-edge track RECORDING --out a.mp4", "an eye tracker's recording with its scene video"),
    ("sam-edge live webcam:0 --eye mouse:", "your webcam, with the mouse as the eye tracker"),
)
FAILED = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
"""Exit status when the reader of the output is gone, as a shell reports it of other programs."""


def make_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Build the command line with these subcommands."""
    parser = GroupedHelpParser(
        prog="sam-edge",
        description="Select objects in live video by looking at them: the Segment Anything Model at the edge, prompted "
        "by gaze.",
        groups=GROUPS,
        most_used=MOST_USED,
    )
    parser.add_argument("--version", action="version", version=f"sam-edge {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    for name in names:
        importlib.import_module(f"sam_edge.cli.{name}").add_parser(commands)
    for command in commands.choices.values():
        command.set_defaults(options=option_names(command))
    add_examples(parser, EXAMPLES)
    return parser


def choose_commands(arguments: Sequence[str]) -> Sequence[str]:
    """Return the subcommand that is asked for: importing all of them takes longer than most of them run.

    The help of `sam-edge` itself, and errors about the subcommand, need all.
    """
    first = next((text for text in arguments if text != "--debug"), "")
    return (first,) if first in COMMANDS else COMMANDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sam-edge` and return the exit status.

    Returns:
        The command's status; 2 after an error, 130 when interrupted, 141 when the reader of the output is gone.
    """
    if not sys.warnoptions:
        # Python hides this warning by default, and a former name on the command line is for its user to change.
        warnings.filterwarnings("default", message=".*is now called", category=DeprecationWarning)
    try:
        with interrupt_on_sigterm(), flush_output():
            return run_command(arguments)
    except OSError as error:
        # Files that cannot be written are `MediaError`s: what is left is what the command prints.
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        discard_if_broken(sys.stdout)
        discard_if_broken(sys.stderr)
        if error.errno == errno.EPIPE:
            return BROKEN_PIPE
        print(f"sam-edge: error: the output cannot be written ({error.strerror})", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        if "--debug" in (sys.argv if arguments is None else arguments):
            raise
        print("sam-edge: interrupted", file=sys.stderr)
        return INTERRUPTED


def run_command(arguments: Sequence[str] | None) -> int:
    """Parse the command line and run the subcommand; an error is one line."""
    given = sys.argv[1:] if arguments is None else arguments
    args = make_parser(choose_commands(given)).parse_args(given)
    if getattr(args, "no_cache", False):
        # For the processes that a command starts as well.
        os.environ[VARIABLE] = OFF
    try:
        with name_options(set_options(args)), plain_warnings():
            status: int = args.run(args)
    except SamEdgeError as error:
        if args.debug:
            raise
        print(f"sam-edge: error: {error}", file=sys.stderr)
        return FAILED
    return status


@contextlib.contextmanager
def plain_warnings() -> Generator[None]:
    """Print each `SamEdgeWarning` as one line, as errors are, instead of with the line of code that raised it."""
    usual = warnings.formatwarning

    def format_warning(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if issubclass(category, SamEdgeWarning):
            return f"sam-edge: warning: {message}\n"
        return usual(message, category, filename, lineno, line)

    warnings.formatwarning = format_warning
    try:
        yield
    finally:
        warnings.formatwarning = usual


@contextlib.contextmanager
def flush_output() -> Generator[None]:
    """Flush what is printed at the end of the block, where an error can still be handled."""
    try:
        yield
    finally:
        sys.stdout.flush()


def set_options(args: argparse.Namespace) -> dict[str, str]:
    """Return the option of each argument, without those that are not set: errors are not about them."""
    return {name: option for name, option in args.options.items() if getattr(args, name, option) is not None}


def discard_if_broken(stream: TextIO) -> None:
    """Let the rest of an output that cannot be written go nowhere, so that Python does not complain at its end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def interrupt_on_sigterm() -> Generator[None]:
    """Let SIGTERM end a command as Ctrl+C does: results so far are written, and files and devices are closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
