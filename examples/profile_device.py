"""Profile this device from a program of one's own, and trace a session on it.

    python examples/profile_device.py [--out out/profile]

Expect: progress, then one line for each engine with its time to encode; profile.json and trace.json in out/profile.

https://ui.perfetto.dev opens the trace.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    import sam_edge
    from sam_edge.errors import SamEdgeError
    from sam_edge.gaze.recordings import read
    from sam_edge.media.frames import open_frames
    from sam_edge.media.outputs import Output, prepare_outputs
    from sam_edge.profile import ProfilePlan, choose_engines, run_plan
    from sam_edge.profile.plan import DEMO_GAZE, DEMO_VIDEO
    from sam_edge.stream import GazeSession
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e .")
except KeyboardInterrupt:
    sys.exit(130)

FRAMES = 48


def main() -> None:
    """Profile, then trace."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/profile"))
    args = parser.parse_args()

    plan = ProfilePlan(choose_engines(), sizes=((448, 672),), prompts=(1,), rounds=3, parts=("timing",))
    with prepare_outputs(Output("--out", args.out, "folder")):
        report = run_plan(plan, print)
    report.write(args.out / "profile.json")
    encodes = [row for row in report.timings if row.total is not None and row.case.operation == "encode"]
    for row in encodes:
        if row.total is not None:
            print(f"{row.case.label}: {row.total.median_ms:.1f} ms, {row.actual_precision}")
    for note in report.notes:
        print(note)

    gaze = read(DEMO_GAZE)
    with (
        sam_edge.load() as model,
        open_frames(DEMO_VIDEO) as frames,
        GazeSession(model) as session,
        session.trace() as trace,  # further sinks go in here: session.trace(OpenTelemetrySink())
    ):
        for frame in frames:
            session.feed(sample for sample in gaze.samples if frame.time_ns < sample.time_ns <= frame.end_ns)
            session.step(frame.image, frame.time_ns)
            if frame.index + 1 == FRAMES:
                break
    trace.write(args.out / "trace.json")
    print(f"{len(trace.spans)} spans of {len(trace.frames)} frames: {args.out / 'trace.json'}")


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
