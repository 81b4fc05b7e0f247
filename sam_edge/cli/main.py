"""The entry point: reads the command line, runs one subcommand, turns errors into one line."""

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
from sam_edge.errors import SamEdgeError
from sam_edge.version import __version__

FAILED = 2
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    made = argparse.ArgumentParser(
        prog="sam-edge",
        description="Look at a thing in live video and it is selected: Segment Anything at the edge, prompted by gaze.",
    )
    made.add_argument("--version", action="version", version=f"sam-edge {__version__}")
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
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
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sam-edge`. Returns the exit status: 0, 2 after an error, 130 when interrupted."""
    if not sys.warnoptions:
        # Python hides this warning by default, and a former name on the command line is for its user to change.
        warnings.filterwarnings("default", message=".*is now called", category=DeprecationWarning)
    given = parser().parse_args(arguments)
    try:
        with terminated_as_interrupted():
            status: int = given.run(given)
    except SamEdgeError as error:
        if given.debug:
            raise
        print(f"sam-edge: error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        if given.debug:
            raise
        print("sam-edge: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


@contextlib.contextmanager
def terminated_as_interrupted() -> Generator[None]:
    """Let SIGTERM end a command as ctrl-C does: what it has is written, and what it opened is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
