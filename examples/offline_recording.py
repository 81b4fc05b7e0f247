"""A recording in, an annotated video out: what was looked at, outlined, frame by frame.

    python examples/offline_recording.py EXPORT [--out annotated.mp4]

EXPORT is a folder that Pupil Player exported (gaze_positions.csv, world.mp4, world_timestamps.csv). Any other recording
that `sam-edge gaze info` can read will do with `--video`. Without arguments it takes the demo. Every frame is waited
for, so the result does not depend on the machine's speed. A CSV beside the video lists what was selected when.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import deque
from pathlib import Path

import sam_edge
from sam_edge.errors import SamEdgeError
from sam_edge.gaze.recordings import read
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.frames import open_frames
from sam_edge.media.overlay import TRAIL_S, draw_selection
from sam_edge.media.video_writer import VideoWriter
from sam_edge.stream import GazeSession
from sam_edge.stream.playback import GazeFeed, play_every_frame

DEMO = Path(sam_edge.__file__).parent / "assets" / "demo"
PX_PER_DEG = 12.0
"""Where the recording does not state it: about that of Pupil Core's scene camera."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export", nargs="?", type=Path, help="folder or file of the recording")
    parser.add_argument("--video", type=Path, help="the scene video, where it is not EXPORT/world.mp4")
    parser.add_argument("--out", type=Path, default=Path("annotated.mp4"), help="where the video goes")
    parser.add_argument("--px-per-deg", type=float, help="frame pixels in a degree of visual angle")
    parser.add_argument("--runtime", default="auto")
    given = parser.parse_args()
    recording = read(given.export or DEMO / "gaze.csv")
    video = given.video or (given.export / "world.mp4" if given.export else DEMO / "clip.mp4")
    px_per_deg = given.px_per_deg or recording.px_per_deg or PX_PER_DEG
    recent: deque[GazeSample] = deque(maxlen=400)
    feed, count, selected = GazeFeed(recording.samples), 0, 0
    with (
        sam_edge.load(runtime=given.runtime) as model,
        open_frames(video) as frames,
        GazeSession(model, px_per_deg=px_per_deg) as session,
        VideoWriter(given.out, frames.size) as writer,
        given.out.with_suffix(".csv").open("w", encoding="utf-8", newline="") as handle,
    ):
        table = csv.writer(handle)
        table.writerow(["time_s", "object", "x0", "y0", "x1", "y1", "predicted_iou"])
        for shown in play_every_frame(session, frames, recording.samples):
            frame, selection = shown.frame, shown.selection
            recent.extend(feed.until(frame.time_ns))
            aged = [(one.x_px, one.y_px, (frame.time_ns - one.time_ns) / 1e9) for one in recent if one.valid]
            writer.write(
                draw_selection(
                    frame.image,
                    mask=shown.mask,
                    box=selection.box if selection is not None else None,
                    gaze_trail=[one for one in aged if one[2] <= TRAIL_S],
                    fixation=selection.fixation if selection is not None else None,
                ),
                frame.time_ns,
                frame.end_ns,
            )
            count += 1
            if selection is not None and selection.box is not None:
                selected += 1
                box = [round(value, 1) for value in selection.box]
                table.writerow(
                    [f"{frame.time_ns / 1e9:.3f}", selection.object_id, *box, f"{selection.score:.3f}"]
                )
    print(
        f"{given.out}: {count} frames, {selected} with a selection; {recording.format}, {px_per_deg:g} px/deg"
    )


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
