"""Select objects in the scene video of a Pupil Core headset by looking at them.

    pip install -e '.[gaze]'
    python examples/pupil_core.py [--host 127.0.0.1] [--port 50020]

Expect: one line for each change of the selection, until Ctrl+C.

Needs Pupil Capture, calibrated, with its Frame Publisher plugin set to "bgr" or "jpeg". Gaze comes through
`sam_edge.gaze.open`; the scene's pictures come from the same data bus, which this file reads itself in a few lines.
`--seconds N` stops after N seconds, `--show` opens a window (q ends).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

try:
    import cv2
    import msgpack
    import numpy as np
    import zmq

    import sam_edge
    import sam_edge.gaze
    from sam_edge.errors import SamEdgeError
    from sam_edge.media.overlay import draw_selection
    from sam_edge.media.screen import check_screen
    from sam_edge.stream import GazeSession
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e '.[gaze]'")
except KeyboardInterrupt:
    sys.exit(130)

PX_PER_DEG = 12.0
"""The scene camera's 1280 pixels are about 100 degrees wide."""


def ask(context: zmq.Context[Any], host: str, port: int, question: str) -> str:
    """Put one question to Pupil Remote."""
    with context.socket(zmq.REQ) as remote:
        remote.setsockopt(zmq.LINGER, 0)
        remote.connect(f"tcp://{host}:{port}")
        remote.send_string(question)
        if not remote.poll(5000):
            raise SystemExit(
                f"Pupil Remote does not answer at {host}:{port}: start Pupil Capture, or give --host and --port"
            )
        return str(remote.recv_string())


def scene(host: str, port: int) -> Iterator[np.ndarray]:
    """Give the newest picture of the scene camera, RGB; what came in between is passed over."""
    context: zmq.Context[Any] = zmq.Context.instance()
    bus = context.socket(zmq.SUB)
    bus.setsockopt(zmq.LINGER, 0)
    bus.connect(f"tcp://{host}:{ask(context, host, port, 'SUB_PORT')}")
    bus.setsockopt_string(zmq.SUBSCRIBE, "frame.world")
    try:
        while True:
            if not bus.poll(5000):
                raise SystemExit(
                    "no scene video for 5 s: switch on the Frame Publisher plugin in Pupil Capture"
                )
            parts = bus.recv_multipart()
            while bus.poll(0):
                parts = bus.recv_multipart()
            facts = msgpack.unpackb(parts[1], raw=False)
            if facts["format"] == "jpeg":
                image = cv2.imdecode(np.frombuffer(parts[2], np.uint8), cv2.IMREAD_COLOR)
            else:
                image = np.frombuffer(parts[2], np.uint8).reshape(facts["height"], facts["width"], 3)
            if image is not None:
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    finally:
        bus.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50020, help="Pupil Remote's port")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--show", action="store_true", help="open a window")
    parser.add_argument("--runtime", default="auto")
    args = parser.parse_args()
    if args.show:
        check_screen()
    until, before, session, count = time.monotonic() + args.seconds, None, None, 0
    url = f"pupil-core://{args.host}:{args.port}"
    pictures = scene(args.host, args.port)
    size = next(pictures).shape[:2]
    with sam_edge.load(runtime=args.runtime) as model, sam_edge.gaze.open(url, size=size) as gaze:
        for image in pictures:
            if session is None:
                session = GazeSession(model, px_per_deg=PX_PER_DEG)
                session.warm_up(image)
            session.feed(gaze.read())
            selection = session.step(image, time.monotonic_ns())
            count += 1
            if selection.object_id != before:
                before = selection.object_id
                print(f"object {selection.object_id}  box {selection.box}", flush=True)
            if args.show:
                shown = draw_selection(image, mask=selection.mask, box=selection.box)
                cv2.imshow("sam-edge: Pupil Core", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
                if cv2.waitKey(1) & 0xFF == ord("q"):
                    break
            if time.monotonic() > until:
                break
        if session is not None:
            session.close()
    print(f"{count} frames, {gaze.stats.received} gaze samples")


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
