"""The entry point: parse the command line, run one subcommand, print errors in one line."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import warnings
from collections.abc import Generator, Sequence
from types import FrameType

from sam_edge.cli import (
    annotate,
    demo,
    doctor,
    everything,
    export,
    gaze,
    profile,
    replay,
    segment,
    serve,
    track,
    verify,
)
from sam_edge.errors import SamEdgeError, SamEdgeWarning
from sam_edge.version import __version__

FAILED = 2
INTERRUPTED = 130


def make_parser() -> argparse.ArgumentParser:
    """Build the command line."""
    parser = argparse.ArgumentParser(
        prog="sam-edge",
        description="Select objects in live video by looking at them: the Segment Anything Model at the edge, prompted "
        "by gaze.",
    )
    parser.add_argument("--version", action="version", version=f"sam-edge {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (
        demo,
        track,
        replay,
        segment,
        everything,
        annotate,
        gaze,
        export,
        verify,
        profile,
        serve,
        doctor,
    ):
        module.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sam-edge` and return the exit status: 0, or 2 after an error, or 130 when interrupted."""
    if not sys.warnoptions:
        # Python hides this warning by default, and a former name on the command line is for its user to change.
        warnings.filterwarnings("default", message=".*is now called", category=DeprecationWarning)
    args = make_parser().parse_args(arguments)
    try:
        with interrupt_on_sigterm(), plain_warnings():
            status: int = args.run(args)
    except SamEdgeError as error:
        if args.debug:
            raise
        print(f"sam-edge: error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        if args.debug:
            raise
        print("sam-edge: interrupted", file=sys.stderr)
        return INTERRUPTED
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
