"""Select by gaze in a video, step by step and without a window: what an app's camera loop does.

    python examples/headless_session.py VIDEO GAZE.csv
    python examples/headless_session.py RECORDING

Expect: one line for each change of the selection.

Without arguments it plays the demo.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    import sam_edge
    from sam_edge.errors import SamEdgeError
    from sam_edge.gaze_video import open_gaze_video
    from sam_edge.stream import GazeSession
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e .")
except KeyboardInterrupt:
    sys.exit(130)

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", nargs="?", type=Path, default=DEMO, help="a video, or a recording with one")
    parser.add_argument("gaze", nargs="?", type=Path, help="the gaze recording, if VIDEO does not hold it")
    args = parser.parse_args()
    clip = open_gaze_video(args.video, args.gaze)
    samples = iter(clip.gaze.samples)
    waiting = next(samples, None)
    before = None
    with (
        sam_edge.load() as model,
        clip.open_frames() as frames,
        GazeSession(model, px_per_deg=clip.gaze.px_per_deg or 15) as session,
    ):
        for frame in frames:
            while waiting is not None and waiting.time_ns <= frame.time_ns:
                session.feed([waiting])
                waiting = next(samples, None)
            selection = session.step(frame.image, frame.time_ns)
            if selection.object_id != before:
                before = selection.object_id
                print(f"{frame.time_ns / 1e9:6.2f} s  object {selection.object_id}  box {selection.box}")


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
