"""Make the gaze recording of the demo. Nobody looked: it is synthetic, and this is all there is to it.

The demo's clip is five seconds of Big Buck Bunny. Where the things in it are was marked by hand, frame by frame
(`MARKS`); what is looked at and for how long was made up (`LOOKS`): the rabbit's face, belly and arm, the boulder, a
glance at the flowers, a blink, the stone block, and the rabbit again. In between the eye moves as eyes do:

* it jumps in saccades that take 2.2 ms a degree and 21 ms (Carpenter, Movements of the Eyes, 1988);
* it follows what moves, a tenth of a second late;
* it is shut for 140 ms in a blink: the tracker says nothing then.

A tracker's error is added on top: everything is off by 0.3 degrees, and every sample by noise with a standard deviation
of 0.12 degrees on each axis. That is a good desktop tracker, just calibrated; the clip counts as seen in full
screen on a 24-inch monitor from 66 cm away, which makes 28 pixels a degree.

    python examples/make_demo_gaze.py [OUT.csv]

Expect: one line; out/gaze.csv, byte for byte the demo's, and out/gaze.csv.json, which states the pixels a degree.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

try:
    from sam_edge.errors import SamEdgeError
    from sam_edge.media.atomic import write_atomically
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e .")
except KeyboardInterrupt:
    sys.exit(130)

FPS, FRAMES, WIDTH, HEIGHT = 25, 132, 1280, 720
"""The clip."""
RATE_HZ = 200
"""Samples a second."""
PX_PER_DEG = 28
"""Pixels in a degree of visual angle."""
OFFSET_DEG, OFFSET_DIRECTION_DEG = 0.3, 35
"""How far every sample is off, and in which direction (0 is right, 90 is down)."""
NOISE_DEG = 0.12
"""Standard deviation of the noise, each axis."""
LAG_S = 0.1
"""How late the eye follows a moving thing."""
SEED = 2008

Point = tuple[float, float]

MARKS: dict[str, dict[int, Point]] = {
    "grassy slope": {0: (640, 360)},
    "rabbit's face": {
        8: (426, 395),
        12: (446, 338),
        16: (463, 308),
        20: (466, 290),
        24: (498, 350),
        28: (510, 368),
        32: (520, 355),
        36: (522, 283),
        40: (507, 220),
        44: (480, 165),
        110: (462, 185),
        116: (440, 180),
        120: (436, 178),
        126: (458, 182),
        131: (468, 182),
    },
    "rabbit's belly": {
        22: (395, 440),
        28: (405, 450),
        32: (415, 452),
        36: (430, 445),
        40: (445, 425),
        44: (455, 395),
        48: (470, 385),
        60: (478, 390),
        110: (455, 400),
        131: (450, 405),
    },
    "rabbit's raised arm": {50: (310, 185), 55: (290, 190), 60: (300, 205), 66: (318, 210)},
    "boulder, middle": {58: (172, 495), 90: (178, 505)},
    "boulder, lower end": {58: (205, 530), 90: (212, 540)},
    "purple flowers": {75: (262, 140), 90: (265, 142)},
    "stone block, front": {90: (960, 408), 112: (960, 408)},
    "stone block, top": {90: (1025, 338), 112: (1025, 338)},
}
"""Where each thing is: frame number to (x, y) in frame pixels. In between, on the straight line."""


@dataclass(frozen=True)
class Look:
    """One thing that the eye does."""

    target: str
    """What is looked at, of `MARKS`; empty for a blink."""
    until_s: float
    """When the eye leaves it, seconds after the first frame was shown."""


LOOKS = (
    Look("grassy slope", 0.33),
    Look("rabbit's face", 0.88),
    Look("rabbit's belly", 1.36),
    Look("rabbit's face", 1.74),
    Look("rabbit's belly", 2.08),
    Look("rabbit's raised arm", 2.40),
    Look("boulder, middle", 2.76),
    Look("boulder, lower end", 3.03),
    Look("purple flowers", 3.28),
    Look("boulder, middle", 3.62),
    Look("", 3.76),
    Look("stone block, front", 4.12),
    Look("stone block, top", 4.40),
    Look("rabbit's face", 4.92),
    Look("rabbit's belly", FRAMES / FPS),
)


def place_of(target: str, time_s: float) -> Point:
    """Return where a thing is at a time: its first or last mark, or between two of them."""
    marks = sorted(MARKS[target].items())
    frame = time_s * FPS
    for (frame0, point0), (frame1, point1) in pairwise(marks):
        if frame0 <= frame <= frame1:
            share = (frame - frame0) / (frame1 - frame0)
            return point0[0] + share * (point1[0] - point0[0]), point0[1] + share * (point1[1] - point0[1])
    return marks[0][1] if frame < marks[0][0] else marks[-1][1]


def gaze_without_error() -> list[Point | None]:
    """Return where the eye rests at each sample time; None while it is shut."""
    samples: list[Point | None] = []
    eye = place_of(LOOKS[0].target, 0.0)
    start_s = 0.0
    for look in LOOKS:
        last = math.ceil(look.until_s * RATE_HZ - 1e-6)
        if not look.target:
            samples += [None] * (last - len(samples))
            start_s = look.until_s
            continue
        origin, goal = eye, place_of(look.target, start_s - LAG_S)
        saccade_s = 0.0
        if math.dist(origin, goal) > 1:
            saccade_s = (2.2 * math.dist(origin, goal) / PX_PER_DEG + 21) / 1000
        while len(samples) < last:
            time_s = len(samples) / RATE_HZ
            goal = place_of(look.target, time_s - LAG_S)
            done = min(1.0, (time_s - start_s) / saccade_s) if saccade_s else 1.0
            eased = 0.5 - 0.5 * math.cos(math.pi * done)
            eye = (origin[0] + eased * (goal[0] - origin[0]), origin[1] + eased * (goal[1] - origin[1]))
            samples.append(eye)
        start_s = look.until_s
    return samples


def recording() -> str:
    """Return the recording as CSV text."""
    noise = random.Random(SEED)
    offset_px = OFFSET_DEG * PX_PER_DEG
    off_x = offset_px * math.cos(math.radians(OFFSET_DIRECTION_DEG))
    off_y = offset_px * math.sin(math.radians(OFFSET_DIRECTION_DEG))
    lines = ["timestamp_s,x_px,y_px,confidence"]
    for index, eye in enumerate(gaze_without_error()):
        time_s = f"{index / RATE_HZ:.3f}"
        error_x, error_y = (noise.gauss(0, NOISE_DEG * PX_PER_DEG) for _ in range(2))
        if eye is None:
            lines.append(f"{time_s},,,0.0")
        else:
            lines.append(f"{time_s},{eye[0] + off_x + error_x:.2f},{eye[1] + off_y + error_y:.2f},1.0")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the recording, and the facts of its scene next to it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, default=Path("out/gaze.csv"), help="CSV to write")
    out: Path = parser.parse_args().out
    with write_atomically(out) as part:
        part.write_text(recording(), encoding="utf-8", newline="\n")
    facts = {"px_per_deg": PX_PER_DEG, "width_px": WIDTH, "height_px": HEIGHT}
    sidecar = out.with_name(out.name + ".json")
    with write_atomically(sidecar) as part:
        part.write_text(json.dumps(facts) + "\n", encoding="utf-8", newline="\n")
    print(f"{out}: {len(gaze_without_error())} samples; {sidecar.name}")


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
