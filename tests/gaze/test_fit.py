"""Gaze that does not fit a video: what is refused, what is said, what counts as lost, and what is right."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_edge.errors import GazeDataError, InputError, SamEdgeWarning
from sam_edge.gaze import GazeFit, fit_gaze, recordings
from sam_edge.gaze.recordings import GazeRecording
from sam_edge.gaze.recordings.recording import discard_low_confidence
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.frame_times import FrameTimes, times_at_rate
from sam_edge.media.frames import open_frames

SIZE = (240, 320)
RATE, DURATION_S = 120, 10.0
VIDEO = times_at_rate(300, 30.0)


def gaze(times_s: np.ndarray | None = None, **changes: Any) -> list[GazeSample]:
    """Gaze at 120 Hz that wanders within the frame, from begin to end of the video."""
    times_s = np.arange(0, DURATION_S, 1 / RATE) if times_s is None else times_s
    return [
        dataclasses.replace(
            GazeSample(round(time_s * 1e9), 160 + 40 * math.sin(index / 50), 120 + index % 7), **changes
        )
        for index, time_s in enumerate(times_s.tolist())
    ]


def with_some(samples: list[GazeSample], count: int, **changes: Any) -> list[GazeSample]:
    """Change the first samples."""
    return [dataclasses.replace(sample, **changes) for sample in samples[:count]] + samples[count:]


def fit(samples: list[GazeSample], times: FrameTimes | None = VIDEO) -> GazeFit:
    made = recordings.make_recording(samples, path=Path("g.csv"), format="csv")
    return fit_gaze(made, size=SIZE, times=times)


def test_right_gaze_passes_unchanged() -> None:
    made = recordings.make_recording(gaze(), path=Path("g.csv"), format="csv")
    result = fit_gaze(made, size=SIZE, times=VIDEO)
    assert result.checked() is made
    assert (result.errors, result.warnings) == ((), ())
    assert fit_gaze(made) == GazeFit(made)


TIMES = np.arange(0, DURATION_S, 1 / RATE)


@pytest.mark.parametrize(
    ("times_s", "words"),
    [
        (TIMES * 1e3, "times look like milliseconds"),
        (TIMES * 1e3 + 20_000, "times look like milliseconds"),
        (TIMES * 1e6, "times look like microseconds"),
        (TIMES + 1.7e9, "Unix time in seconds"),
        (TIMES - 60, r"from -60\.000 to -50\.008 s; the gaze ends 50\.008 s before the video begins"),
        (TIMES + 60, r"begins 50\.000 s after the video ends: .* offset of about 60\.0 s"),
        (TIMES + 10.5, r"begins 0\.500 s after the video ends"),
    ],
)
def test_gaze_outside_the_videos_time_is_refused(times_s: np.ndarray, words: str) -> None:
    result = fit(gaze(times_s))
    with pytest.raises(GazeDataError, match=rf"^gaze: g\.csv: .*from 0 to 10\.000 s, .*{words}"):
        result.checked()


def test_unix_milliseconds_in_a_column_of_seconds(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("timestamp_s,x_px,y_px\n1700000000000,1,2\n1700000000008,1,2\n")
    with pytest.raises(GazeDataError, match=r"line 2: timestamp_s is '1700000000000'; .*is the unit right"):
        recordings.read(path)
    huge = GazeRecording(tuple(gaze((TIMES + 1.7e9) * 1e3)), "g", "samples")
    with pytest.raises(GazeDataError, match="none of the 1200 valid samples falls into the video"):
        fit_gaze(huge, size=SIZE, times=VIDEO).checked()


@pytest.mark.parametrize(("begin_s", "end_s", "share"), [(0, 4, 40), (7, 10, 30), (5.5, 20, 45), (-5, 3, 30)])
def test_under_half_of_the_frames_with_gaze_is_said(begin_s: float, end_s: float, share: int) -> None:
    result = fit(gaze(np.arange(begin_s, end_s, 1 / RATE)))
    assert not result.errors
    (text,) = result.warnings
    assert f"of the video's 300 frames ({share}%) have gaze" in text
    with pytest.warns(SamEdgeWarning, match="frames"):
        result.checked()


@pytest.mark.parametrize("rate", [10, 25, 30, 60, 1000])
def test_gaze_of_any_rate_covers_the_frames(rate: int) -> None:
    assert fit(gaze(np.arange(0, 5.2, 1 / rate))).warnings == ()
    assert len(fit(gaze(np.arange(0, 4.7, 1 / rate))).warnings) == 1


def test_gaze_that_starts_late_in_a_long_video() -> None:
    assert fit(gaze(np.arange(30, 70, 1 / RATE)), times_at_rate(2100, 30.0)).warnings == ()
    (text,) = fit(gaze(np.arange(30, 50, 1 / RATE)), times_at_rate(1500, 30.0)).warnings
    assert "600 of the video's 1500 frames (40%)" in text


@pytest.mark.parametrize(("percent", "refused"), [(100, True), (96, True), (95, True), (94, False)])
def test_normalised_positions_are_refused(percent: int, refused: bool) -> None:
    samples = gaze()
    shares = with_some(samples, len(samples) * percent // 100, x_px=0.51, y_px=-0.8)
    result = fit(shares)
    assert bool(result.errors) == refused
    if refused:
        with pytest.raises(InputError, match=r"they are normalised, and no pixels of frames of 320x240"):
            result.checked()


@pytest.mark.parametrize(
    ("x", "y"), [(0.0, 0.0), (-1.0, -1.0), (1e8, 1e8), (-32768.0, -32768.0), (1e8, 120.0)]
)
def test_known_sentinels_count_as_lost_from_ten_on(x: float, y: float) -> None:
    result = fit(with_some(gaze(), 10, x_px=x, y_px=y))
    assert not result.errors
    assert [sample.valid for sample in result.recording.samples[:11]] == [False] * 10 + [True]
    (text,) = result.warnings
    assert "10 samples lie at" in text
    assert "count as lost" in text


@pytest.mark.parametrize("position", [(-1.0, -1.0), (0.0, 0.0), (-320.0, 480.0)])
def test_nine_samples_at_one_position_are_not_said(position: tuple[float, float]) -> None:
    result = fit(with_some(gaze(), 9, x_px=position[0], y_px=position[1]))
    assert (result.errors, result.warnings) == ((), ())
    assert all(sample.valid for sample in result.recording.samples)


def test_other_positions_that_repeat_outside_are_said_and_used() -> None:
    result = fit(with_some(gaze(), 10, x_px=-320.0, y_px=480.0))
    (text,) = result.warnings
    assert "10 samples lie at exactly (-320, 480), outside the frames of 320x240" in text
    assert all(sample.valid for sample in result.recording.samples)
    assert fit(with_some(gaze(), 200, x_px=30.0, y_px=40.0)).warnings == ()


@pytest.mark.parametrize(("count", "refused"), [(1, False), (9, False), (500, False), (700, True)])
def test_far_samples_are_lost_unless_most_are_far(count: int, refused: bool) -> None:
    samples = gaze()
    far = [dataclasses.replace(sample, x_px=9e4 + at) for at, sample in enumerate(samples[:count])]
    result = fit(far + samples[count:])
    assert bool(result.errors) == refused
    if refused:
        assert f"{count} of 1200 positions" in result.errors[0]
        assert "far outside frames of 320x240" in result.errors[0]
    else:
        assert f"{count} of 1200 positions lie more than 10 frames outside" in result.warnings[0]
        assert sum(not sample.valid for sample in result.recording.samples) == count


def test_gaze_without_positions_names_what_is_missing() -> None:
    empty = gaze(x_px=math.nan, y_px=math.nan)
    with pytest.raises(GazeDataError, match="none of the 1200 samples has a position; give a recording"):
        fit(empty).checked()
    aria = recordings.make_recording(empty, path=Path("g"), format="aria-mps", camera_file="aria_camera.json")
    with pytest.raises(GazeDataError, match=r"put aria_camera\.json next to the gaze"):
        fit_gaze(aria, size=SIZE, times=VIDEO).checked()
    low = discard_low_confidence(GazeRecording(tuple(gaze(confidence=0.3)), "g", "csv"), 0.6)
    with pytest.raises(GazeDataError, match=r"all are below 0\.6; .*min_confidence \(--min-confidence\)"):
        fit_gaze(low, size=SIZE, times=VIDEO).checked()


@pytest.mark.parametrize(("percent", "said"), [(19, False), (20, False), (21, True), (60, True)])
@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_over_a_fifth_of_low_confidence_is_said(percent: int, said: bool, threshold: float) -> None:
    # The low ones are spread evenly, so that every frame has gaze.
    samples = [
        dataclasses.replace(sample, confidence=0.3 if index % 100 < percent else 0.9)
        for index, sample in enumerate(gaze())
    ]
    made = recordings.make_recording(samples, path=Path("g.csv"), format="csv")
    result = fit_gaze(discard_low_confidence(made, threshold), size=SIZE, times=VIDEO)
    texts = [text for text in result.warnings if "have a confidence below 0.6" in text]
    assert bool(texts) == said
    lost = sum(not sample.valid for sample in result.recording.samples)
    assert lost == (12 * percent if threshold else 0)


def test_lost_samples_of_confidence_0_are_no_low_confidence() -> None:
    samples = [dataclasses.replace(sample, confidence=index % 2) for index, sample in enumerate(gaze())]
    assert fit(samples).warnings == ()


def parts(*spans_s: tuple[float, float]) -> list[GazeSample]:
    return gaze(np.concatenate([np.arange(begin, end - 1e-9, 1 / RATE) for begin, end in spans_s]))


@pytest.mark.parametrize(
    ("spans_s", "used"),
    [
        (((0, 5), (-74662, -74657)), 0),
        (((0, 5), (0, 5)), 0),
        (((0, 5), (4.5, 9.5)), 0),
        (((74701, 74706), (0, 8)), 1),
        (((-100, -40), (-200, -150), (2, 9)), 2),
    ],
)
def test_gaze_whose_clock_is_set_back_is_split_and_the_part_that_fits_is_used(
    spans_s: tuple[tuple[float, float], ...], used: int
) -> None:
    result = fit(parts(*spans_s))
    assert not result.errors
    begin_s, end_s = spans_s[used]
    times_s = [sample.time_ns / 1e9 for sample in result.recording.samples]
    assert times_s[0] == pytest.approx(begin_s)
    assert times_s[-1] == pytest.approx(end_s - 1 / RATE)
    text = result.warnings[0]
    assert f"split there into {len(spans_s)} parts, and part {used + 1}, from {begin_s:.3f}" in text


@pytest.mark.parametrize("jump_s", [3600.0, 30.0, 5.0])
def test_a_clock_that_jumps_forward_past_the_end_is_said(jump_s: float) -> None:
    result = fit(parts((0, 5.5), (5.5 + jump_s, 10 + jump_s)))
    assert not result.errors
    (text,) = result.warnings
    assert f"the clock jumped by {jump_s + 1 / RATE:+.3f} s at 5.492 s" in text
    assert "540 samples of the second are left out" in text


def test_a_pause_within_the_video_is_no_jump() -> None:
    assert fit(parts((0, 3), (6, 10))).warnings == ()


def pupil_export(folder: Path, *, jump_s: float, frames_too: bool) -> Path:
    """An export of 10 s whose clock jumps in the middle."""
    import cv2

    writer = cv2.VideoWriter(str(folder / "world.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 240))
    for _ in range(3):
        writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    times = [
        (index / 30, index / 30 + (jump_s if frames_too and index >= 150 else 0)) for index in range(300)
    ]
    (folder / "world_timestamps.csv").write_text(
        "# timestamps [seconds],pts\n"
        + "".join(f"{1000 + time_s:.6f},{at}\n" for at, (_, time_s) in enumerate(times))
    )
    rows = [
        f"{1000 + (at + 0.5) / 60 + (jump_s if at >= 300 else 0):.6f},0,0.9,0.5,0.5,,,,\n"
        for at in range(600)
    ]
    (folder / "gaze_positions.csv").write_text(
        "gaze_timestamp,world_index,confidence,norm_pos_x,norm_pos_y,base_data,gaze_point_3d_x,gaze_point_3d_y,"
        "gaze_point_3d_z\n" + "".join(rows)
    )
    return folder


@pytest.mark.parametrize("jump_s", [-74667.0, -5.0, -0.5, 3600.0])
def test_a_clock_that_jumps_in_gaze_and_frames_alike_is_joined(tmp_path: Path, jump_s: float) -> None:
    recording = recordings.read(pupil_export(tmp_path, jump_s=jump_s, frames_too=True))
    times_s = [sample.time_ns / 1e9 for sample in recording.samples]
    np.testing.assert_allclose(times_s, (np.arange(600) + 0.5) / 60, atol=1e-3)
    (text,) = fit_gaze(recording, times=VIDEO).warnings
    assert "in gaze and frames alike; the parts are joined" in text


@pytest.mark.parametrize("jump_s", [-74667.0, -5.0])
def test_a_clock_that_jumps_in_gaze_alone_is_split(tmp_path: Path, jump_s: float) -> None:
    recording = recordings.read(pupil_export(tmp_path, jump_s=jump_s, frames_too=False))
    assert [len(part) for part in recording.parts] == [300, 300]
    result = fit_gaze(recording, times=VIDEO)
    assert result.recording.samples == recording.parts[0]
    assert "part 1, from 0.008 to 4.992 s, is used" in result.warnings[0]


@pytest.mark.parametrize("place", ["gaze-normalised/norm_px.csv", "gaze-sentinels/own_minus1.csv"])
def test_shared_cases_without_a_video(shared_dir: Path, place: str) -> None:
    result = fit_gaze(recordings.read(shared_dir / "cases" / place))
    assert result.errors or "29 samples lie at (-1, -1)" in result.warnings[0]


@pytest.mark.parametrize("name", ["t9_ms", "t9_unix", "t9_minus60"])
def test_shared_gaze_out_of_time(shared_dir: Path, name: str) -> None:
    folder = shared_dir / "cases" / "gaze-out-of-time"
    with open_frames(folder / "short.mp4") as frames:
        result = fit_gaze(recordings.read(folder / f"{name}.csv"), size=frames.size, times=frames.times)
    assert len(result.errors) == 1


@pytest.mark.parametrize("name", ["1e8_pupil", "minus32768"])
def test_shared_eyelink_files_lose_ten_samples(shared_dir: Path, name: str) -> None:
    result = fit_gaze(recordings.read(shared_dir / "cases" / "eyelink-lost-1e8" / f"{name}.asc"))
    assert sum(not sample.valid for sample in result.recording.samples) == 10
    assert not result.errors


@pytest.mark.parametrize(
    "place",
    [
        "pupil_core_export",
        "neon_native/demo_recording",
        "tobii_glasses2",
        "eyelink/eyelink_data_example.asc",
        "smi/smi_samples_head.txt",
    ],
)
def test_real_recordings_are_not_refused(shared_dir: Path, place: str) -> None:
    recording = recordings.read(shared_dir / "data" / "trackers" / place)
    result = fit_gaze(recording)
    assert not result.errors
    lost = sum(not sample.valid for sample in result.recording.samples)
    assert lost == sum(not sample.valid for sample in recording.samples)
