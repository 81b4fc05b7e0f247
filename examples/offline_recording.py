"""A recording in, an annotated video out: the object that the person looked at is outlined on every frame.

    python examples/offline_recording.py EXPORT [--out out/annotated.mp4]

Expect: a progress bar, then one line; the video, and a CSV next to it with the selection on each frame.

EXPORT is a folder that Pupil Player exported (gaze_positions.csv, world.mp4, world_timestamps.csv), or another
recording with its scene video; with `--video`, any gaze that `sam-edge gaze info` reads. Without arguments the demo is
used. Every frame is processed, so the result does not depend on the machine's speed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

try:
    import sam_edge
    from sam_edge.gaze_video import open_gaze_video
    from sam_edge.media.atomic import write_atomically
    from sam_edge.media.outputs import Output, prepare_outputs
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e .")
except KeyboardInterrupt:
    sys.exit(130)

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"
PX_PER_DEG = 12.0
"""Scale when the recording does not state it: typical for Pupil Core's scene camera."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export", nargs="?", type=Path, help="folder or file of the recording")
    parser.add_argument("--video", type=Path, help="the scene video, if it is not in EXPORT")
    parser.add_argument("--out", type=Path, default=Path("out/annotated.mp4"), help="video to write")
    parser.add_argument("--px-per-deg", type=float, help="frame pixels in a degree of visual angle")
    parser.add_argument("--runtime", default="auto")
    args = parser.parse_args()
    export = args.export or DEMO
    video, gaze = (args.video, export) if args.video else (export, None)
    recording = open_gaze_video(video, gaze).gaze
    px_per_deg = args.px_per_deg or recording.px_per_deg or PX_PER_DEG
    count = selected = 0
    table_path = args.out.with_suffix(".csv")
    with (
        prepare_outputs(Output("--out", args.out), Output("CSV of --out", table_path)),
        sam_edge.load(runtime=args.runtime) as model,
        sam_edge.track(
            video, gaze, model=model, px_per_deg=px_per_deg, out=args.out, progress=True, stream=True
        ) as frames,
        write_atomically(table_path) as part,
        part.open("w", encoding="utf-8", newline="") as handle,
    ):
        table = csv.writer(handle)
        table.writerow(["time_s", "object", "x0", "y0", "x1", "y1", "predicted_iou"])
        for frame in frames:
            count += 1
            selection = frame.selection
            if selection.box is not None:
                selected += 1
                box = [round(value, 1) for value in selection.box]
                table.writerow([f"{frame.time_s:.3f}", selection.object_id, *box, f"{selection.score:.3f}"])
    print(
        f"{args.out}: {count} frames, {selected} with a selection; {recording.format}, {px_per_deg:g} px/deg"
    )


if __name__ == "__main__":
    try:
        main()
    except sam_edge.SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
