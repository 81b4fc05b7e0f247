"""Select by gaze in a video, step by step and without a window: what an app's camera loop does.

    python examples/headless_session.py VIDEO GAZE.csv
    python examples/headless_session.py RECORDING

Without arguments it plays the demo. Prints a line whenever the selection changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

try:
    import sam_edge
    from sam_edge.errors import SamEdgeError
    from sam_edge.gaze_video import open_gaze_video
    from sam_edge.stream import GazeSession
except KeyboardInterrupt:
    sys.exit(130)

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"


def main(arguments: list[str]) -> None:
    clip = open_gaze_video(*arguments) if arguments else open_gaze_video(DEMO)
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
        main(sys.argv[1:])
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit(130)
