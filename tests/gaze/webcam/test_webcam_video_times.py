"""A video of the person is read at the times that it states, or at a given rate."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

import sam_edge.gaze
from sam_edge.errors import InputError, SamEdgeWarning, TrackerError
from sam_edge.gaze.webcam.cameras import video_frames
from sam_edge.media.video_writer import VideoWriter

MS = 1_000_000
TIMES_MS = (0, 40, 80, 500, 540, 1200, 1240)
"""When the frames begin, with pauses as in a browser's recording, and when the last one ends."""


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video whose frames do not come evenly."""
    path = tmp_path / "me.mkv"
    with VideoWriter(path, (48, 64)) as writer:
        for begin_ms, end_ms in pairwise(TIMES_MS):
            writer.write(np.full((48, 64, 3), 60, np.uint8), begin_ms * MS, end_ms * MS)
    return path


def times_of(path: Path, fps: float | None = None) -> list[int]:
    times_ns = [frame.time_ns for frame in video_frames(path, threading.Event(), paced=False, fps=fps)]
    return [time_ns - times_ns[0] for time_ns in times_ns]


def test_frames_have_the_times_that_the_file_states(video: Path) -> None:
    assert times_of(video) == pytest.approx([ms * MS for ms in TIMES_MS[:-1]], abs=MS)


def test_a_given_rate_counts_first(video: Path) -> None:
    with pytest.warns(SamEdgeWarning, match="fps is 10, and its frames were taken at"):
        assert times_of(video, fps=10) == [index * 100 * MS for index in range(len(TIMES_MS) - 1)]


def test_a_stream_without_times_needs_a_rate(tmp_path: Path) -> None:
    path = tmp_path / "me.h264"
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(TrackerError, match=r"states no times; .* as in webcam:FILE\?fps=30"):
        sam_edge.gaze.open(f"webcam:{path}?pace=none")
    with sam_edge.gaze.open(f"webcam:{path}?pace=none&fps=20") as source:
        samples = list(source)
    assert np.diff([sample.time_ns for sample in samples]).tolist() == [50 * MS] * 4


def test_a_camera_takes_no_rate() -> None:
    with pytest.raises(InputError, match="fps is 30; accepted for a video file, not for camera 0"):
        sam_edge.gaze.open("webcam:0?fps=30")
