"""`sam-edge live`: scene camera and gaze from one address, and the selection on the screen."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sam_edge.cli.options import add_model, name_options, open_model, parse_size
from sam_edge.errors import InputError, SessionError, TrackerError
from sam_edge.media.screen import check_screen
from sam_edge.scene import CAMERA_SCHEMES
from sam_edge.timeline import TABLE_ENDINGS

if TYPE_CHECKING:
    from sam_edge._live.run import LiveRun
    from sam_edge._live.step import LiveStep

Show: TypeAlias = Callable[[NDArray[np.uint8], "LiveStep"], bool]
"""Shows a picture, RGB, of a step; returns whether to go on."""
TABLES = ("timeline", "samples", "fixations")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `live`."""
    parser = subparsers.add_parser(
        "live",
        help="select in a live camera by gaze: a headset, a webcam, or a recording played as live",
        description="Select in a live camera by gaze. Without --web and --headless, a window shows it.",
    )
    parser.add_argument("url", help="; ".join(CAMERA_SCHEMES.values()))
    parser.add_argument(
        "--eye",
        metavar="URL",
        help="the gaze, for example mouse:, or webcam:1?calibration=me.json with --web (default: that of the address)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--web", action="store_true", help="show it on a page of this computer's browser")
    shown.add_argument("--headless", action="store_true", help="show nothing")
    parser.add_argument("--port", type=int, default=8766, help="port of the page (default: 8766)")
    parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds (default: never)")
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="write a recording of the session")
    for name in TABLES:
        line = {"timeline": "frame", "samples": "gaze sample", "fixations": "fixation"}[name]
        parser.add_argument(
            f"--{name}",
            type=Path,
            metavar="FILE",
            help=f"write a table with a line a {line} (.csv, .parquet, .jsonl)",
        )
    parser.add_argument(
        "--px-per-deg", type=float, help="frame pixels in a degree (default: the camera's, else 15)"
    )
    parser.add_argument(
        "--gaze-wait-ms",
        type=float,
        default=50.0,
        metavar="MS",
        help="a frame waits at most this long for gaze of its time (default: 50)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds of silence that are said (default: 5)",
    )
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run until the recording ends, the time is over, the window is closed, or ctrl-C."""
    from sam_edge._live.drawing import LivePicture
    from sam_edge._live.recorder import LiveRecorder
    from sam_edge._live.run import live
    from sam_edge.media.outputs import Output, prepare_outputs

    if args.seconds is not None and not args.seconds > 0:
        raise InputError(f"--seconds: {args.seconds:g}; accepted are more than 0")
    outputs = [Output(f"--{name}", getattr(args, name), endings=TABLE_ENDINGS) for name in TABLES]
    with ExitStack() as stack:
        stack.enter_context(prepare_outputs(*outputs, Output("--record", args.record, "folder")))
        check_view(args)
        with name_options({"eye": "--eye"}):
            active = stack.enter_context(
                live(
                    args.url,
                    eye=args.eye,
                    model=lambda: open_model(args),
                    px_per_deg=args.px_per_deg,
                    size=parse_size(args.size),
                    record=args.record,
                    gaze_wait_ms=args.gaze_wait_ms,
                    timeout_s=args.timeout,
                    on_problem=_tell,
                )
            )
        recorder = LiveRecorder(px_per_deg=active.px_per_deg)
        show = _open_view(args, active, stack)
        picture = LivePicture()
        ends_s = time.monotonic() + (args.seconds or float("inf"))
        try:
            for step in active:
                recorder.add(step)
                if show is not None and not show(picture.draw(step), step):
                    break
                if time.monotonic() >= ends_s:
                    break
        except KeyboardInterrupt:
            print(file=sys.stderr)
        for line in recorder.summary().lines(active):
            print(line)
        tables = recorder.tables()
        for name in TABLES:
            if getattr(args, name) is not None:
                getattr(tables, name).write(getattr(args, name))
    return 0


def check_view(args: argparse.Namespace) -> None:
    """Check that what is asked for can be shown, before anything is opened.

    Raises:
        InputError: a mouse as the eye tracker has no window, or a webcam no page.
        SessionError: no window can be opened here; --web and --headless need none.
        MissingExtraError: the page needs the server's libraries.
    """
    from sam_edge._live.sources import is_on_screen

    if is_on_screen(args.eye) and not args.web:
        raise InputError(
            f"--eye: {args.eye} gives gaze on the screen, and only the page knows where its picture is there; "
            f"{'replace --headless by' if args.headless else 'add'} --web"
        )
    is_mouse = (args.eye or "").startswith("mouse:")
    if is_mouse and (args.web or args.headless):
        raise InputError(
            f"--eye: {args.eye} needs the window; leave out {'--web' if args.web else '--headless'}"
        )
    if args.web:
        import sam_edge._live.page_server  # noqa: F401
    elif not args.headless:
        try:
            check_screen()
        except SessionError as error:
            raise SessionError(f"{error}; or use --web or --headless") from None


def _open_view(args: argparse.Namespace, active: LiveRun, stack: ExitStack) -> Show | None:
    """Open the window or the page; returns what shows a picture, and says whether to go on."""
    if args.headless:
        return None
    if args.web:
        from sam_edge._live.page_server import LivePageServer
        from sam_edge._live.screen_eye import ScreenGaze

        screen = active.gaze if isinstance(active.gaze, ScreenGaze) else None
        page = stack.enter_context(
            LivePageServer(active.session, name=active.camera.name, port=args.port, screen=screen)
        )
        print(f"page  {page.url}", flush=True)
        return page.show
    window = stack.enter_context(active.window())
    return lambda picture, _step: window.show_picture(picture)


def _tell(problem: TrackerError) -> None:
    print(f"sam-edge live: {problem}", file=sys.stderr, flush=True)
