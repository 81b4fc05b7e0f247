"""A webcam as an eye tracker: `webcam`, `webcam:1`, `webcam:me.mp4?calibration=me.json`."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.adapters.base import LiveSource
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.calibration import Calibration
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.blink import BlinkDetector
from sam_edge.gaze.webcam.cameras import CameraFrame, camera_frames, video_frames
from sam_edge.gaze.webcam.drift import DriftCorrector
from sam_edge.gaze.webcam.head import HeadPose
from sam_edge.gaze.webcam.jitter import JitterEstimate
from sam_edge.gaze.webcam.line_of_sight import Screen, gaze_point_mm
from sam_edge.gaze.webcam.tracker import Face, FaceTracker
from sam_edge.media.frame_times import MAX_FPS

UNCALIBRATED_DEG = 8.0
"""Standard deviation, on each axis, of gaze without calibration: an average person, a screen as stated."""
JITTER_DEG = 1.0
"""Standard deviation of single samples until it is known."""
CLICK_DEG = 1.5
"""How far gaze may be from what is clicked, standard deviation."""
WANDER_DEG_PER_S = 0.05
"""How fast the error of gaze may change: 1.2 degrees in ten minutes."""
MOVED_DEG_PER_MM, TURNED_DEG_PER_DEG = 0.02, 0.25
"""How much less sure gaze is, on each axis, where the head is not where it was calibrated: degrees for each millimetre
and each degree between the two; measured with rendered faces, docs/experiments/webcam_gaze.md."""
_ONE_EYE = 0.6
"""Confidence when only one iris is seen."""


class WebcamGazeEstimator:
    """From images of a person to gaze samples, without a thread or a clock of its own.

    Samples are pixels of the screen. Without a calibration they are what an average person would look at, and their
    stated uncertainty is large; with one they are where this person looks.
    """

    def __init__(
        self, screen: Screen, *, calibration: Calibration | None = None, fov_deg: float = 78.0
    ) -> None:
        """Open the networks.

        Args:
            screen: what the person looks at, and where the camera is.
            calibration: what a calibration with this screen gave.
            fov_deg: how wide the camera sees, along the diagonal of its image.
        """
        self.screen = screen
        """What the person looks at."""
        self.calibration = calibration
        """What is applied to samples; None when there is none."""
        self.face: Face | None = None
        """The face in the newest frame; None when there was none."""
        self.blinking = False
        """Whether the eyes were shut in the newest frame."""
        px_per_deg = screen.px_per_deg(600.0)
        self.drift = DriftCorrector(
            click_sd_px=CLICK_DEG * px_per_deg, wander_px_per_s=WANDER_DEG_PER_S * px_per_deg
        )
        """Learns from clicks, and is applied last."""
        self._tracker = FaceTracker(fov_deg=fov_deg)
        self._blinks = BlinkDetector()
        self._jitter = JitterEstimate()

    def estimate(self, image: NDArray[np.uint8], time_ns: int) -> GazeSample:
        """Take an RGB frame and return where the person looked in it.

        NaN in a blink, without a face, and in the first 40 frames, in which the face's shape is learned.
        """
        self.face = self._tracker.find(image)
        if self.face is None:
            self.blinking = False
            return self.drift.apply(
                GazeSample(time_ns, math.nan, math.nan, 0.0, left_valid=False, right_valid=False)
            )
        self.blinking = self._blinks.update(self.face.openness)
        seen = [iris is not None and not self.blinking for iris in self.face.irises]
        ready = any(seen) and self._tracker.shape is not None
        point_mm = gaze_point_mm(self.face.look) if ready else None
        if point_mm is None:
            # The person's right eye is on the image's left.
            lost = GazeSample(time_ns, math.nan, math.nan, 0.0, left_valid=seen[1], right_valid=seen[0])
            return self.drift.apply(lost)
        x, y = (float(value) for value in self.screen.points_px(point_mm[None])[0])
        px_per_deg = self.screen.px_per_deg(self.face.pose.distance_mm)
        self._jitter.update(time_ns, x, y)
        noise = self._jitter.covariance(JITTER_DEG * px_per_deg)
        if self.calibration is None:
            unknown = (UNCALIBRATED_DEG * px_per_deg) ** 2
            noise = (noise[0] + unknown, noise[1], noise[2] + unknown)
        raw = GazeSample(
            time_ns,
            x,
            y,
            1.0 if all(seen) else _ONE_EYE,
            left_valid=seen[1],
            right_valid=seen[0],
            covariance_px2=noise,
            head=_head_of(self.face.pose),
        )
        return self.drift.apply(
            raw if self.calibration is None else self._apply_calibration(raw, self.calibration, px_per_deg)
        )

    @staticmethod
    def _apply_calibration(raw: GazeSample, calibration: Calibration, px_per_deg: float) -> GazeSample:
        """Apply a calibration; the further the head has left its place in it, the less sure is the sample."""
        sample = calibration.apply(raw)
        if sample.covariance_px2 is None or raw.head is None or calibration.head is None:
            return sample
        gone = np.subtract(raw.head, calibration.head)
        unsure_deg = math.hypot(
            MOVED_DEG_PER_MM * float(np.linalg.norm(gone[:3])),
            TURNED_DEG_PER_DEG * float(np.linalg.norm(gone[3:])),
        )
        xx, xy, yy = sample.covariance_px2
        unsure_px2 = (unsure_deg * px_per_deg) ** 2
        return replace(sample, covariance_px2=(xx + unsure_px2, xy, yy + unsure_px2))


def _head_of(pose: HeadPose) -> tuple[float, float, float, float, float, float]:
    x, y, z = (float(value) for value in pose.position_mm)
    return (x, y, z, *pose.angles_deg)


class WebcamSource(LiveSource):
    """Gaze from a camera, or from a video of a person, read in a thread of its own."""

    _connect_floor_s = 15.0

    def __init__(
        self,
        camera: int | Path,
        estimator: WebcamGazeEstimator,
        *,
        size: tuple[int, int] | None = None,
        paced: bool = True,
        fps: float | None = None,
        name: str = "webcam",
        timeout_s: float = 5.0,
        buffer_samples: int = 8192,
    ) -> None:
        """Describe the source; the camera is opened by `open()` or `with`.

        Args:
            camera: number of a camera, or a video file.
            estimator: makes samples of its images.
            size: (height, width) that the camera is asked for.
            paced: a video file in its own time; as fast as it can be read otherwise.
            fps: frames a second of a video file, evenly spaced; None: the times that the file states.
            name: name of the source in messages.
            timeout_s: see `LiveSource`.
            buffer_samples: see `LiveSource`.
        """
        super().__init__(name, timeout_s=timeout_s, buffer_samples=buffer_samples)
        self.estimator = estimator
        """Makes the samples; its `face`, `blinking` and `calibration` are those of the newest frame."""
        self._camera = camera
        self._size = size
        self._paced = paced
        self._fps = fps
        self._frame: CameraFrame | None = None
        self._lock = threading.Lock()

    @property
    def frame(self) -> CameraFrame | None:
        """The newest image of the person."""
        return self._frame

    @property
    def calibrated(self) -> bool:
        """Whether samples are calibrated."""
        return self.estimator.calibration is not None

    def record_click(
        self, target_px: tuple[float, float], time_ns: int | None = None, *, size_px: float = 0.0
    ) -> bool:
        """Learn drift from a click or selection at `target_px`, screen pixels; see `DriftCorrector.record_click`.

        Returns whether it counted.
        """
        with self._lock:
            return self.estimator.drift.record_click(
                target_px, host_now_ns() if time_ns is None else time_ns, size_px=size_px
            )

    def _serve(self) -> None:
        begun = False
        for frame in self._frames():
            if not begun:
                begun = True
                self._connected()
            self._frame = frame
            with self._lock:
                sample = self.estimator.estimate(frame.image, frame.time_ns)
            self._deliver(sample, arrival_ns=max(frame.time_ns, host_now_ns() if self._paced else 0))
        if isinstance(self._camera, Path):
            self._stopping.set()

    def _frames(self) -> Iterator[CameraFrame]:
        if isinstance(self._camera, Path):
            return video_frames(self._camera, self._stopping, paced=self._paced, fps=self._fps)
        return camera_frames(self._camera, self._stopping, size=self._size)


def from_address(address: SourceAddress) -> WebcamSource:
    """Return the source of a `webcam` URL."""
    where = address.path.lstrip("/") if address.path.lstrip("/").isdecimal() else address.path
    where = where or address.host or "0"
    camera: int | Path = int(where) if where.isdecimal() else Path(where)
    fps = address.number("fps", 0.0, least=0.001, most=MAX_FPS) or None
    if fps is not None and isinstance(camera, int):
        raise InputError(f"fps is {fps:g}; accepted for a video file, not for camera {camera}")
    calibration = address.text("calibration")
    fitted = None if calibration is None else Calibration.load(calibration)
    screen_size = address.size("screen") or (fitted.size if fitted is not None else (1080, 1920))
    screen = Screen(
        screen_size,
        address.number("screen_mm", 530.0, least=50.0, most=5000.0),
        address.number("camera_above_mm", 8.0, least=-1000.0, most=1000.0),
        address.number("camera_aside_mm", 0.0, least=-3000.0, most=3000.0),
    )
    estimator = WebcamGazeEstimator(
        screen, calibration=fitted, fov_deg=address.number("fov_deg", 78.0, least=20.0, most=150.0)
    )
    return WebcamSource(
        camera,
        estimator,
        size=address.size("size"),
        paced=address.text("pace", "real", choices=("real", "none")) == "real",
        fps=fps,
        name=address.url,
        timeout_s=address.timeout_s(),
        buffer_samples=address.buffer_samples(),
    )
