"""Frames come at the times at which the container shows them, and look as players show them."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame as EncodedFrame
from numpy.typing import NDArray

from sam_edge.errors import MediaError, SamEdgeWarning
from sam_edge.media import video_decoder
from sam_edge.media.frame_times import FrameTimes, choose_times, times_at_rate, times_from_begins
from sam_edge.media.frames import open_frames
from sam_edge.media.video_frames import read_frame_size

MS = 1_000_000
BURST_MS = (0, 33, 67, 100, 500, 533, 600, 3600, 3633, 3667)
"""Times as of a screen recorder: gaps, and a pause of three seconds."""
CASES_WITH_TIMES = (
    "video-vfr/vfr.mp4",
    "video-vfr/vfr.webm",
    "video-vfr/vfr.avi",
    "video-vfr/pause.mp4",
    "video-mediarecorder/chrome.mp4",
    "video-mediarecorder/chrome_gap.webm",
    "video-trimmed-vfr/trim_vfr.mp4",
    "video-trailer/trail_noise.mp4",
    "video-trailer/trail_sefd.mp4",
    "track-pupil-clock/exports/000/world.mp4",
)


def half_red(number: int, *, size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """A grey picture whose brightness tells its number and whose left half is red."""
    image = np.full((*size, 3), 20 + 10 * (number % 20), np.uint8)
    image[:, : size[1] // 2, 0] = 250
    return image


def encode(
    path: Path,
    times_ms: tuple[int, ...] = BURST_MS,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
) -> Path:
    """Write numbered pictures at the given times, with B-frames unless the options say otherwise."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options={"bf": "3"} if options is None else options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixel_format
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, time_ms in enumerate(times_ms):
            frame = EncodedFrame.from_ndarray(half_red(number), format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def number_of(image: NDArray[np.uint8]) -> int:
    """Return which picture it is, by the brightness of its right half."""
    return round((float(image[4:-4, 36:-4].mean()) - 20) / 10)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"bf": "3"}),
        ("a.mov", "libx264", {"bf": "3"}),
        ("a.mkv", "libx264", {"bf": "3"}),
        ("a.webm", "libvpx", {"deadline": "realtime"}),
        ("a.ts", "libx264", {"bf": "3"}),
    ],
)
def test_frames_of_a_variable_rate_come_at_their_own_times(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    with open_frames(encode(tmp_path / name, codec=codec, options=options)) as reader:
        assert reader.count == len(BURST_MS)
        frames = list(reader)
    assert [frame.time_ns for frame in frames] == pytest.approx([ms * MS for ms in BURST_MS], abs=MS)
    assert [number_of(frame.image) for frame in frames] == list(range(len(BURST_MS)))
    assert [frame.end_ns for frame in frames[:-1]] == [frame.time_ns for frame in frames[1:]]
    assert frames[-1].end_ns > frames[-1].time_ns


def test_the_first_frame_is_time_zero_wherever_the_container_begins(tmp_path: Path) -> None:
    late = tuple(5000 + ms for ms in BURST_MS)
    with open_frames(encode(tmp_path / "a.mkv", late)) as reader:
        assert [frame.time_ns for frame in reader] == pytest.approx([ms * MS for ms in BURST_MS], abs=MS)


@pytest.mark.parametrize("case", CASES_WITH_TIMES)
def test_times_equal_the_decoders_within_a_millisecond(shared_dir: Path, case: str) -> None:
    path = shared_dir / "cases" / case
    with av.open(str(path)) as container:
        seconds = [frame.time for frame in container.decode(video=0)]
    assert None not in seconds
    with open_frames(path) as reader:
        times = [frame.time_ns for frame in reader]
    expected = [((second or 0) - (seconds[0] or 0)) * 1e9 for second in seconds]
    assert times == pytest.approx(expected, abs=MS)


class TestWhichTimesCount:
    own = times_at_rate(300, 30.0)

    def test_the_files_own_where_nothing_else_is_given(self) -> None:
        assert choose_times("a.mp4", count=300, own=self.own) is self.own

    def test_a_recordings_before_the_files(self) -> None:
        recorded = [7 * MS + index * 100 * MS for index in range(300)]
        times = choose_times("a.mp4", count=300, own=self.own, recorded_ns=recorded)
        assert times.begin_ns.tolist() == [index * 100 * MS for index in range(300)]
        assert times.end_ns == 300 * 100 * MS

    def test_a_given_rate_before_all_with_a_warning_where_it_differs(self) -> None:
        with pytest.warns(SamEdgeWarning, match=r"a\.mp4: fps is 29, .* 30 frames a second"):
            times = choose_times("a.mp4", count=300, own=self.own, fps=29.0)
        assert times.fps == 29.0

    def test_a_rate_that_is_almost_the_files_needs_no_warning(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert choose_times("a.mp4", count=300, own=self.own, fps=29.97).fps == 29.97

    @pytest.mark.parametrize("count", [298, 303])
    def test_a_frame_more_or_less_than_the_recording_says_is_a_warning(self, count: int) -> None:
        with pytest.warns(SamEdgeWarning, match=rf"has {count} frames, .* 300 frame times"):
            times = choose_times("a.mp4", count=count, own=self.own, recorded_ns=range(0, 300 * MS, MS))
        assert len(times) == min(count, 300)

    def test_times_of_another_video_are_refused(self) -> None:
        with pytest.raises(MediaError, match="has 200 frames, and its recording states 300 frame times"):
            choose_times("a.mp4", count=200, own=self.own, recorded_ns=range(0, 300 * MS, MS))

    def test_a_raw_stream_needs_a_rate(self, tmp_path: Path) -> None:
        path = encode(tmp_path / "a.h264")
        with pytest.raises(MediaError, match=r"a\.h264: a raw video stream, which states no times; .*--fps"):
            open_frames(path)
        with open_frames(path, fps=15) as reader:
            assert [frame.time_ns for frame in reader][:3] == [0, round(1e9 / 15), round(2e9 / 15)]

    def test_a_rate_that_no_camera_has_is_refused(self) -> None:
        with pytest.raises(MediaError, match=r"states 9727 frames a second; accepted: up to 1000; .*--fps"):
            choose_times("a.avi", count=30, own=times_at_rate(30, 9727.0))


def test_an_interval_ends_where_the_next_begins() -> None:
    times = times_from_begins([50, 80, 200])
    assert [times.interval(index) for index in range(3)] == [(0, 30), (30, 150), (150, 225)]
    assert FrameTimes(np.array([0], np.int64), 40 * MS).fps == pytest.approx(25.0)


@pytest.mark.parametrize(
    ("matrix", "left", "shape"),
    [
        ((1, 0, 0, 1), lambda image: image[:, :24], (48, 64)),
        ((-1, 0, 0, 1), lambda image: image[:, -24:], (48, 64)),
        ((1, 0, 0, -1), lambda image: image[:, :24], (48, 64)),
        ((-1, 0, 0, -1), lambda image: image[:, -24:], (48, 64)),
        ((0, 1, -1, 0), lambda image: image[:24], (64, 48)),
        ((0, -1, 1, 0), lambda image: image[-24:], (64, 48)),
        ((0, 1, 1, 0), lambda image: image[:24], (64, 48)),
        ((0, -1, -1, 0), lambda image: image[-24:], (64, 48)),
    ],
)
def test_rotation_and_mirroring_are_those_of_the_display_matrix(
    tmp_path: Path,
    matrix: tuple[int, int, int, int],
    left: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    shape: tuple[int, int],
) -> None:
    """ISO 14496-12, 8.3.2: (x, y) is shown at (a x + c y, b x + d y), so the red left half goes where x is small."""
    path = encode(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (value * 0x10000 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    assert read_frame_size(path) == shape
    with open_frames(path) as reader:
        image = next(reader).image
    assert image.shape[:2] == shape
    assert image.flags.c_contiguous
    assert left(image)[..., 0].mean() > 180
    assert image[..., 0].mean() < 180


def test_interlaced_frames_have_no_combs(tmp_path: Path) -> None:
    """A bar that moves 8 pixels between the fields of a frame leaves combs where the fields are woven."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"x264-params": "interlaced=1", "crf": "1", "flags": "+ilme+ildct"}
        )
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 64, 192, "yuv420p"
        for number in range(8):
            image = np.full((64, 192, 3), 40, np.uint8)
            image[0::2, 16 * number : 16 * number + 24] = 220
            image[1::2, 16 * number + 8 : 16 * number + 32] = 220
            frame = EncodedFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_frames(path) as reader:
        images = [frame.image[..., 1].astype(float) for frame in reader]
    assert len(images) == 8
    for image in images[1:-1]:
        combs = np.abs(2 * image[2:-2] - image[1:-3] - image[3:-1]).mean()
        assert combs < 4, "woven fields give about 30"


def encode_high_range(path: Path, transfer: str) -> Path:
    """Write three frames of 10 bits with a transfer of high dynamic range."""
    return encode(
        path,
        (0, 40, 80),
        codec="libx265",
        options={"x265-params": f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"},
        pixel_format="yuv420p10le",
    )


@pytest.mark.skipif(not video_decoder.CONVERTS_RANGE, reason="PyAV 17 does not convert high dynamic range")
@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_high_dynamic_range_becomes_standard_range(tmp_path: Path, transfer: str) -> None:
    path = encode_high_range(tmp_path / "a.mp4", transfer)
    with av.open(str(path)) as container:
        plain = next(container.decode(video=0)).to_ndarray(format="rgb24")
    with open_frames(path) as reader:
        image = next(reader).image
    assert image.shape == plain.shape
    grey, red = image[8:40, 40:56].mean((0, 1)), image[8:40, 8:24].mean((0, 1))
    assert np.ptp(grey) < 3, "what is neutral stays so"
    assert np.abs(red - plain[8:40, 8:24].mean((0, 1))).max() > 10, "the curve and the primaries are others"
    assert red[0] > red[1] + 100


def test_high_dynamic_range_that_is_not_converted_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_decoder, "CONVERTS_RANGE", False)
    path = encode_high_range(tmp_path / "a.mp4", "smpte2084")
    with pytest.warns(SamEdgeWarning, match="does not convert.*PyAV 18 does") as said, open_frames(path):
        pass
    assert len(said) == 1


def test_a_size_that_changes_is_refused_with_the_frames_number(tmp_path: Path) -> None:
    path = tmp_path / "a.h264"
    with path.open("wb") as handle:
        for index, size in enumerate([(48, 64), (64, 96)]):
            part = tmp_path / f"part{index}.h264"
            with av.open(str(part), "w") as container:
                stream = container.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
                assert isinstance(stream, av.VideoStream)
                stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
                for number in range(3):
                    frame = EncodedFrame.from_ndarray(half_red(number, size=size), format="rgb24")
                    container.mux(stream.encode(frame.reformat(format="yuv420p")))
                container.mux(stream.encode(None))
            handle.write(part.read_bytes())
    with (
        open_frames(path, fps=25) as reader,
        pytest.raises(MediaError, match=r"frame 3 .* is 96x64 .* 64x48"),
    ):
        list(reader)


def test_one_damaged_frame_is_a_warning_and_keeps_the_others_in_their_places(tmp_path: Path) -> None:
    times = tuple(range(0, 4000, 100))
    path = encode(tmp_path / "a.mkv", times, codec="mjpeg", options={}, pixel_format="yuvj420p")
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data) - 2) if data[at : at + 3] == b"\xff\xd8\xff"]
    # All of the frame, up to the header of the next one's block.
    end = starts[11] - 24
    data[starts[10] : end] = bytes(end - starts[10])
    path.write_bytes(data)
    with open_frames(path) as reader, pytest.warns(SamEdgeWarning, match=r"1 of 40 frames cannot be decoded"):
        frames = list(reader)
    assert [frame.index for frame in frames] == [*range(10), *range(11, 40)]
    assert [frame.time_ns for frame in frames] == [frame.index * 100 * MS for frame in frames]
