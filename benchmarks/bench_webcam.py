"""How well, and how fast, a webcam tells where somebody looks: a closed loop with rendered eyes of known direction.

    python benchmarks/bench_webcam.py [--people 3] [--size 1280x720] [--out webcam.json]

Three people (other eyeballs, other angles between the eyes' axes and where they look) sit 600 mm from a 24-inch screen,
look at nine targets for the calibration, and then at nine other places: with the head still, and with it moved and
turned. What is printed is the distance of the mean gaze from each place in degrees, mean over the places, as
eye-movement research states accuracy; the uncertainty that the samples state, and the errors in units of it; and the
milliseconds a frame on one core. At last the camera slips: without and with five clicks that correct the drift.

It is a best case: the light is even, the irises are drawn with clear borders, nobody wears glasses.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from endings import end_without, run_script

try:
    import cv2
    import numpy as np
    import onnxruntime
    from rendered_face import Eyes, RenderedFace, Scene

    from sam_edge.cores import available_cores
    from sam_edge.gaze.calibration import TargetSamples, calibrate, target_positions
    from sam_edge.gaze.samples import GazeSample
    from sam_edge.gaze.webcam.head import PinholeCamera
    from sam_edge.gaze.webcam.line_of_sight import Screen
    from sam_edge.gaze.webcam.source import WebcamGazeEstimator
except ImportError as error:
    end_without(error)

PEOPLE = (
    Eyes(),
    Eyes(radius_mm=11.6, depth_mm=8.5, kappa_deg=(3.0, 0.0), shift_mm=(0.8, 0.5)),
    Eyes(radius_mm=12.5, depth_mm=11.0, kappa_deg=(6.5, -2.5), shift_mm=(-0.6, -0.5)),
)
SCREEN = Screen((1080, 1920), 530.0)
FOV_DEG = 78.0
PLACES = tuple((x, y) for y in (160.0, 540.0, 920.0) for x in (300.0, 960.0, 1620.0))
STILL_MM = (0.0, 60.0, 600.0)
HEADS = {
    "still": (STILL_MM, (0.0, 0.0, 0.0)),
    "80 mm closer": ((0.0, 60.0, 520.0), (0.0, 0.0, 0.0)),
    "80 mm farther": ((0.0, 60.0, 680.0), (0.0, 0.0, 0.0)),
    "60 mm aside": ((-60.0, 60.0, 600.0), (0.0, 0.0, 0.0)),
    "turned 8 deg": (STILL_MM, (8.0, 0.0, 0.0)),
    "turned 12 deg": (STILL_MM, (-12.0, 0.0, 0.0)),
    "up 6 deg": (STILL_MM, (0.0, -6.0, 0.0)),
    "down 6 deg": (STILL_MM, (0.0, 6.0, 0.0)),
    "tilted 8 deg": (STILL_MM, (0.0, 0.0, 8.0)),
}
"""Where the head is, and how it is turned, for the places after the calibration."""
SLIP_MM = (25.0, -20.0)
"""How far the camera slips up and aside, for the correction of drift: three degrees."""
CLICKED = ((500.0, 250.0), (1400.0, 800.0), (700.0, 800.0), (1500.0, 300.0), (960.0, 500.0))
"""Where is clicked after that."""
SWAY_MM, SWAY_DEG, SWAY_FRAMES = 2.0, 0.6, 30.0
"""No head is quite still: how far it sways (standard deviations), and in how many frames it forgets where it was."""


class Sitting:
    """One person in front of the camera."""

    def __init__(self, eyes: Eyes, size: tuple[int, int], seed: int) -> None:
        self.face = RenderedFace(PinholeCamera.of_view(size, fov_deg=FOV_DEG), SCREEN, eyes, seed=seed)
        self.estimator = WebcamGazeEstimator(SCREEN, fov_deg=FOV_DEG)
        self.ms: list[float] = []
        self._random = np.random.default_rng(seed)
        self._sway = np.zeros(6)
        self._time_ns = 0

    def look(
        self, target_px: tuple[float, float], frames: int, head: tuple[Sequence[float], Sequence[float]]
    ) -> TargetSamples:
        """Look at a place for some frames."""
        seen: list[GazeSample] = []
        for _ in range(frames):
            self._sway += self._random.normal(0.0, np.sqrt(2.0 / SWAY_FRAMES), 6) - self._sway / SWAY_FRAMES
            position = np.array(head[0]) + SWAY_MM * self._sway[:3]
            turn = np.array(head[1]) + SWAY_DEG * self._sway[3:]
            image = self.face.render(Scene(target_px, tuple(position), tuple(turn)))
            self._time_ns += 33_333_333
            begun = time.perf_counter()
            seen.append(self.estimator.estimate(image, self._time_ns))
            self.ms.append((time.perf_counter() - begun) * 1e3)
        return TargetSamples(target_px, tuple(seen))


def errors_deg(looks: Sequence[TargetSamples]) -> list[float]:
    """Return the distance of the mean gaze from each place that was seen, degrees."""
    found = []
    for look in looks:
        positions = [(one.x_px, one.y_px) for one in look.samples if one.valid]
        if positions:
            away = np.mean(positions, axis=0) - look.target_px
            found.append(float(np.hypot(*away)) / SCREEN.px_per_deg(600.0))
    return found


def figures_of(looks: Sequence[TargetSamples]) -> dict[str, float]:
    """Return what the looks at the places after the calibration were worth."""
    scale = SCREEN.px_per_deg(600.0)
    samples = [one for look in looks for one in look.samples]
    good = [one for one in samples if one.valid]
    spread = [np.std([(o.x_px, o.y_px) for o in look.samples if o.valid], axis=0) for look in looks]
    stated = [np.sqrt(one.covariance_px2[0] + one.covariance_px2[2]) for one in good if one.covariance_px2]
    return {
        "accuracy_deg": float(np.mean(errors_deg(looks))),
        "worst_deg": max(errors_deg(looks)),
        "sd_deg": float(np.mean(np.hypot(*np.array(spread).T))) / scale,
        "stated_sd_deg": float(np.mean(stated)) / scale,
        "error_in_stated_sd": normalised(looks),
        "lost": 1.0 - len(good) / len(samples),
    }


def normalised(looks: Sequence[TargetSamples]) -> float:
    """Return single samples' errors in stated standard deviations, root mean square over both axes: 1 is right."""
    shares = []
    for look in looks:
        for one in look.samples:
            if one.valid and one.covariance_px2:
                x, y = one.x_px - look.target_px[0], one.y_px - look.target_px[1]
                shares += [x**2 / one.covariance_px2[0], y**2 / one.covariance_px2[2]]
    return float(np.sqrt(np.mean(shares)))


def measure(eyes: Eyes, size: tuple[int, int], seed: int, frames: int) -> dict[str, dict[str, float]]:
    """Return the figures of one person: before calibration, and after it for each place of the head."""
    sitting = Sitting(eyes, size, seed)
    still = HEADS["still"]
    sitting.look((960.0, 540.0), 45, still)  # the face's shape is learned
    collected = [sitting.look(place, 12, still) for place in target_positions(9, SCREEN.size)]
    figures = {"before": {"accuracy_deg": float(np.mean(errors_deg(collected)))}}
    sitting.estimator.calibration = calibrate(collected, size=SCREEN.size)
    for name, head in HEADS.items():
        sitting.look(PLACES[0], 3, head)  # a head does not leap from one place to the next
        figures[name] = figures_of([sitting.look(place, frames, head) for place in PLACES])
    # The program is started anew: the face is learned anew, the calibration comes from a file.
    later = Sitting(eyes, size, seed + len(PEOPLE))
    later.look((960.0, 540.0), 45, still)
    later.estimator.calibration = sitting.estimator.calibration
    figures["next session"] = figures_of([later.look(place, frames, still) for place in PLACES])
    # The camera slips: nobody tells the program, and all places are off by as much.
    sitting.face.screen = replace(
        SCREEN, camera_above_mm=SCREEN.camera_above_mm + SLIP_MM[0], camera_aside_mm=SLIP_MM[1]
    )
    sitting.look(PLACES[0], 3, still)
    figures["camera slipped"] = figures_of([sitting.look(place, frames, still) for place in PLACES])
    for place in CLICKED:
        clicked = sitting.look(place, 12, still)
        sitting.estimator.drift.record_click(place, clicked.samples[-1].time_ns)
    figures["after 5 clicks"] = figures_of([sitting.look(place, frames, still) for place in PLACES])
    figures["speed"] = {"ms_median": float(np.median(sitting.ms[100:])), "ms_best": min(sitting.ms[100:])}
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=len(PEOPLE), choices=range(1, len(PEOPLE) + 1))
    parser.add_argument("--size", default="1280x720", help="the camera's picture, width x height")
    parser.add_argument("--frames", type=int, default=4, help="frames at each place after the calibration")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    width, height = map(int, args.size.split("x"))
    people = [
        measure(eyes, (height, width), seed, args.frames) for seed, eyes in enumerate(PEOPLE[: args.people])
    ]
    print(
        f"{platform.machine()}, {available_cores()} cores, 1 used; onnxruntime {onnxruntime.__version__}; {args.size}"
    )
    for name in people[0]:
        means = {key: float(np.mean([one[name][key] for one in people])) for key in people[0][name]}
        print(f"{name:<14} " + "  ".join(f"{key} {value:.2f}" for key, value in means.items()))
    if args.out:
        args.out.write_text(json.dumps(people, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
