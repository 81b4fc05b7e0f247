"""A session recorded and replayed is the same bit for bit; a crash loses nothing before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sam_edge.errors import InputError, MediaError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.frames import VideoFrame
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream import GazeSession, Selection, State
from sam_edge.stream.recording import (
    HEADER,
    LOG,
    RecordedCommand,
    RecordedFrame,
    RecordedGaze,
    SessionRecorder,
    read_session_recording,
)
from sam_edge.stream.replay import compare_selections, replay
from sam_edge.stream.tuning import DEFAULT_TUNING, FORMER_TUNING

SIZE = (160, 240)
MS = 1_000_000
FRAMES = 14
OPTIONS: dict[str, Any] = {"px_per_deg": 15.0, "size": (224, 224)}


def video() -> list[VideoFrame]:
    """A texture that drifts to the right."""
    small = np.random.default_rng(4).integers(0, 255, (20, 50, 3), dtype=np.uint8)
    wide = cv2.resize(small, (400, SIZE[0]), interpolation=cv2.INTER_CUBIC)
    return [
        VideoFrame(
            index,
            f"{index}",
            index * 40 * MS,
            (index + 1) * 40 * MS,
            np.ascontiguousarray(wide[:, 60 - 2 * index :][:, : SIZE[1]]),
        )
        for index in range(FRAMES)
    ]


def samples_until(begin_ms: int, end_ms: int) -> list[GazeSample]:
    """Gaze at rest with a little noise; the fifth sample is lost."""
    noise = np.random.default_rng(5).normal(0, 0.5, (2000, 2))
    return [
        GazeSample(
            time_ms * MS,
            *((np.nan, np.nan, 0.0) if time_ms == 25 else (100 + float(dx), 80 + float(dy), 0.9)),
        )
        for time_ms in range(begin_ms, end_ms, 5)
        for dx, dy in [noise[time_ms // 5]]
    ]


def record(folder: Path) -> list[Selection]:
    """Record a session of the fake model; the thing is released in the middle."""
    model = Segmenter(Fake())
    made = []
    recorder = SessionRecorder(folder, model=model, options=OPTIONS)
    with GazeSession(model, **OPTIONS) as session:
        for frame in video():
            samples = samples_until(frame.time_ns // MS, frame.time_ns // MS + 40)
            recorder.gaze(samples)
            session.feed(samples)
            if frame.index == 9:
                recorder.command("unpin")
                session.unpin()
            made.append(session.step(frame.image, frame.time_ns))
            recorder.frame(frame.time_ns, SIZE, made[-1], image=frame.image)
    recorder.close()
    recorder.close()
    return made


def test_a_replay_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    made = record(tmp_path / "run")
    pairs = list(replay(tmp_path / "run", video(), Segmenter(Fake())))
    assert len(pairs) == FRAMES
    assert any(one.mask is not None for one in made)
    for (recorded, again), first in zip(pairs, made, strict=True):
        assert compare_selections(recorded, again) == ()
        assert compare_selections(recorded, first) == ()
        assert recorded.timing_ms == first.timing_ms


def test_what_is_read_back_is_what_happened(tmp_path: Path) -> None:
    record(tmp_path / "run")
    recording = read_session_recording(tmp_path / "run")
    entries = list(recording.entries())
    assert recording.complete
    assert recording.options == {"px_per_deg": 15.0, "size": [224, 224]}
    assert (recording.model.name, recording.model.engine, recording.model.sha256) == (
        "checkpoint",
        "fake",
        None,
    )
    assert [entry.time_ns for entry in recording.frames] == [frame.time_ns for frame in video()]
    assert [entry for entry in entries if isinstance(entry, RecordedCommand)] == [
        RecordedCommand("unpin", {})
    ]
    given = [sample for entry in entries if isinstance(entry, RecordedGaze) for sample in entry.samples]
    assert repr(given) == repr(samples_until(0, 40 * FRAMES))


def test_after_a_crash_everything_before_it_is_there(tmp_path: Path) -> None:
    made = record(tmp_path / "run")
    log = tmp_path / "run" / LOG
    whole = log.read_bytes().rpartition(b'{"kind":"end"')[0]
    log.write_bytes(whole)
    recording = read_session_recording(tmp_path / "run")
    assert not recording.complete
    assert len(list(recording.frames)) == FRAMES
    for cut in (len(whole) - 1, len(whole) - 200, len(whole) // 2, 1, 0):
        log.write_bytes(whole[:cut])
        kept = list(recording.frames)
        assert len(kept) == whole[:cut].count(b'"kind":"frame"') - (cut > 0 and last_is_a_frame(whole[:cut]))
        for entry, selection in zip(kept, made, strict=False):
            assert compare_selections(entry.selection, selection) == ()


def last_is_a_frame(text: bytes) -> bool:
    """Say whether the last line, which has no end, is a frame's."""
    return b'"kind":"frame"' in text.rsplit(b"\n", 1)[-1]


def test_a_damaged_line_in_the_middle_is_no_crash(tmp_path: Path) -> None:
    record(tmp_path / "run")
    log = tmp_path / "run" / LOG
    lines = log.read_bytes().splitlines(keepends=True)
    for damaged, said in (
        (b'{"kind":"frame"\n', "line 3 is damaged"),
        (b"5\n", "line 3 is no entry"),
        (b'{"kind":"dance"}\n', "line 3: kind 'dance'"),
        (b'{"kind":"frame"}\n', "line 3.*time_ns is missing"),
    ):
        log.write_bytes(b"".join([*lines[:2], damaged, *lines[3:]]))
        with pytest.raises(InputError, match=said):
            list(read_session_recording(tmp_path / "run").entries())


def test_every_difference_is_named() -> None:
    mask = np.zeros(SIZE, bool)
    mask[10:20, 10:20] = True
    one = Selection(
        0, State.FOCUSED, mask, (10.0, 10.0, 20.0, 20.0), 0.9, 1, "encoded", timing_ms={"total": 3.0}
    )
    other_mask = mask.copy()
    other_mask[10, 10] = False
    other = replace(one, mask=other_mask, score=float(np.nextafter(0.9, 1)), state=State.HELD)
    assert compare_selections(one, replace(one, timing_ms={})) == ()
    assert [difference.field for difference in compare_selections(one, other)] == ["state", "mask", "score"]
    said = [str(difference) for difference in compare_selections(one, other)]
    assert said[1] == "mask: 1 pixels differ, IoU 0.9900"
    assert "0.9, replayed 0.9" in said[2]
    assert [difference.field for difference in compare_selections(one, replace(one, mask=None))] == ["mask"]


def test_another_result_is_found(tmp_path: Path) -> None:
    record(tmp_path / "run")

    def another(model: Segmenter, **options: float) -> GazeSession:
        return GazeSession(model, px_per_deg=60.0)

    pairs = replay(tmp_path / "run", video(), Segmenter(Fake()), open_session=another)
    assert any(compare_selections(*pair) for pair in pairs)


def another_picture(frames: list[VideoFrame]) -> list[VideoFrame]:
    return [replace(frames[0], image=frames[0].image ^ np.uint8(1)), *frames[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frames: frames[:5], "they end before"),
        (lambda frames: frames[1:], "none at 0 ns"),
        (another_picture, "other pixels at 0 ns"),
        (lambda frames: [replace(frame, image=frame.image[:-1]) for frame in frames], "recorded: "),
    ],
)
def test_another_video_is_refused(
    tmp_path: Path, change: Callable[[list[VideoFrame]], list[VideoFrame]], said: str
) -> None:
    record(tmp_path / "run")
    with pytest.raises(InputError, match=said):
        list(replay(tmp_path / "run", change(video()), Segmenter(Fake())))


def test_frames_that_were_not_recorded_are_passed_over(tmp_path: Path) -> None:
    record(tmp_path / "run")

    def more() -> Iterator[VideoFrame]:
        for frame in video():
            yield replace(frame, time_ns=frame.time_ns - 20 * MS, image=np.zeros_like(frame.image))
            yield frame

    assert all(
        compare_selections(*pair) == () for pair in replay(tmp_path / "run", more(), Segmenter(Fake()))
    )


def test_another_model_is_refused_unless_any_will_do(tmp_path: Path) -> None:
    record(tmp_path / "run")
    header = tmp_path / "run" / HEADER
    content = json.loads(header.read_text())
    content["model"]["sha256"] = "0" * 64
    header.write_text(json.dumps(content))
    with pytest.raises(InputError, match="manifest 000000000000"):
        next(replay(tmp_path / "run", video(), Segmenter(Fake())))
    assert len(list(replay(tmp_path / "run", video(), Segmenter(Fake()), any_model=True))) == FRAMES


def test_a_recording_never_writes_over_anything(tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds keep\.txt"):
        SessionRecorder(tmp_path, model=Segmenter(Fake()))
    with pytest.raises(MediaError, match="cannot be written"):
        SessionRecorder(tmp_path / "keep.txt" / "run", model=Segmenter(Fake()))


def test_only_a_sessions_own_methods_are_called(tmp_path: Path) -> None:
    with SessionRecorder(tmp_path / "run", model=Segmenter(Fake())) as recorder:
        with pytest.raises(InputError, match="pin, unpin"):
            recorder.command("close")
        recorder.command("unpin")
    log = tmp_path / "run" / LOG
    log.write_text(log.read_text().replace("unpin", "close"))
    with pytest.raises(InputError, match="does not have"):
        list(replay(tmp_path / "run", video(), Segmenter(Fake())))


def test_a_closed_recording_takes_nothing(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "run", model=Segmenter(Fake()))
    recorder.close()
    with pytest.raises(SessionError, match="it is closed"):
        recorder.gaze([])


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    recorder = SessionRecorder(tmp_path / "run", model=Segmenter(Fake()))
    recorder._log.close()
    recorder._log = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
    with pytest.raises(MediaError, match="No space left"):
        recorder.gaze(samples_until(0, 10))
    recorder._log.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "cannot be read"), ("{", "not JSON"), ("[]", "schema"), ('{"schema": 99}', "schema 99")],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / HEADER).write_text(text)
    with pytest.raises(InputError, match=said):
        read_session_recording(tmp_path)


def test_options_that_cannot_be_recorded_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be recorded"):
        SessionRecorder(tmp_path / "run", model=Segmenter(Fake()), options={"gaze": object()})


def test_entries_of_frames_hold_their_checksum(tmp_path: Path) -> None:
    record(tmp_path / "run")
    first = next(
        entry
        for entry in read_session_recording(tmp_path / "run").entries()
        if isinstance(entry, RecordedFrame)
    )
    assert first.size == SIZE
    assert isinstance(first.checksum, int)


def test_a_recording_keeps_the_tuning_and_replays_with_it(tmp_path: Path) -> None:
    model, tuning = Segmenter(Fake()), replace(DEFAULT_TUNING, hover_ms=80.0, min_dwell_ms=40.0)
    options = {**OPTIONS, "tuning": tuning}
    recorder = SessionRecorder(tmp_path / "run", model=model, options=options)
    with GazeSession(model, recorder=recorder, **options) as session:
        for frame in video():
            session.feed(samples_until(frame.time_ns // MS, frame.time_ns // MS + 40))
            session.step(frame.image, frame.time_ns)
    recording = read_session_recording(tmp_path / "run")
    assert recording.tuning == tuning
    assert "tuning" not in recording.options
    pairs = list(replay(tmp_path / "run", video(), model))
    assert [compare_selections(*pair) for pair in pairs] == [()] * FRAMES


@pytest.mark.parametrize("stated", [None, {}, {"hover_ms": 80.0, "background_share": 0.4}])
def test_constants_that_a_recording_does_not_state_are_switched_off(
    tmp_path: Path, stated: dict[str, Any] | None
) -> None:
    SessionRecorder(tmp_path / "run", model=Segmenter(Fake())).close()
    header = tmp_path / "run" / "session.json"
    content = json.loads(header.read_text())
    assert content.pop("tuning")["cut_correlation"] == DEFAULT_TUNING.cut_correlation
    header.write_text(json.dumps(content if stated is None else {**content, "tuning": stated}))
    assert read_session_recording(tmp_path / "run").tuning == replace(FORMER_TUNING, **(stated or {}))


@pytest.mark.parametrize("stated", [7, {"hover_ms": "long"}])
def test_a_tuning_that_cannot_be_read_is_refused(tmp_path: Path, stated: object) -> None:
    SessionRecorder(tmp_path / "run", model=Segmenter(Fake())).close()
    header = tmp_path / "run" / "session.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "tuning": stated}))
    with pytest.raises(InputError, match="tuning"):
        read_session_recording(tmp_path / "run")
