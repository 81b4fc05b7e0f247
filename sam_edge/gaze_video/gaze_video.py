"""A video and the gaze on it: two paths, or one recording that holds both."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sam_edge.errors import InputError, SamEdgeWarning
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings import GazeRecording
from sam_edge.gaze.recordings.recording import discard_low_confidence
from sam_edge.gaze.recordings.registry import formats, reader, uses_frame_size
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze_video.frame_times import RecordedTimes, times_of_recording, times_of_video
from sam_edge.gaze_video.scene_video import find_scene_video, holds_frames
from sam_edge.media.folder_frames import list_images
from sam_edge.media.frame_reader import FrameReader
from sam_edge.media.frame_times import counts_fit
from sam_edge.media.frames import open_frames
from sam_edge.media.images import read_image
from sam_edge.media.pixels import ValueRange
from sam_edge.media.video_frames import read_frame_size
from sam_edge.media.video_index import VideoIndex, index_video
from sam_edge.stream.recording import HEADER as SESSION_HEADER
from sam_edge.stream.recording import RecordedGaze, read_session_recording

GAZE_FILE = "gaze.csv"
"""Name of the gaze file in a user's own folder, next to its video."""
CLOCKED_FORMATS = ("pupil-core", "neon-csv", "neon-native")
"""Formats whose `device_time_ns` is on the clock that also times the frames."""


@dataclass(frozen=True, slots=True)
class GazeVideo:
    """A video with gaze."""

    video: Path
    """The video, or a folder of frames."""
    gaze: GazeRecording
    """The gaze, in pixels of the video's frames; times count from its first frame."""
    times_ns: tuple[int, ...] = ()
    """When each frame was taken, nanoseconds after the first one, where the recording states it; else empty."""
    fps: float | None = None
    """Frames a second that the caller gives; counts before all other times."""
    index: VideoIndex | None = field(default=None, repr=False)
    """The video's frames, where finding its times has read them."""
    value_range: ValueRange | None = None
    """Stored values that become black and white, for a folder of images of more than 8 bits; None finds them."""

    def open_frames(self) -> FrameReader:
        """Open the video at the times that count. Raises `MediaError`."""
        return open_frames(
            self.video,
            fps=self.fps,
            recorded_ns=self.times_ns,
            index=self.index,
            value_range=self.value_range,
        )


def open_gaze_video(
    path: str | Path,
    gaze: str | Path | None = None,
    *,
    format: str | None = None,
    fps: float | None = None,
    min_confidence: float | None = None,
    recording_name: str | None = None,
) -> GazeVideo:
    """Find the video, the gaze, and the times of the frames.

    The recording's frame times count where the video is its scene video: the file itself, or one with as many frames.
    A `SamEdgeWarning` says where a recording states times that do not fit the video.

    Args:
        path: a video, a folder of frames, or a recording's folder with its scene video.
        gaze: the gaze, where `path` does not hold it: a CSV, any known recording, or a session's recording.
        format: format of the gaze, a name from `recordings.formats()`; None recognises it by content.
        fps: frames a second, evenly spaced; counts before the times that the recording or the file states.
        min_confidence: as in `recordings.read`.
        recording_name: as in `recordings.read`.

    Raises:
        InputError: there is no gaze, or no video.
        GazeDataError: the gaze cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"{path}: no such file or folder; give a recording's folder, or a video with gaze (--gaze)"
        )
    is_video = path.is_file() or holds_frames(path)
    if gaze is None and is_video:
        raise InputError(f"{path}: holds no gaze; give it with --gaze, or give the folder of a recording")
    gaze_path = _find_gaze(path) if gaze is None else Path(gaze)
    video = path if is_video else _find_video(path)
    recording = read_gaze(
        gaze_path,
        format=format,
        min_confidence=min_confidence,
        recording_name=recording_name,
        video=video,
    )
    times, index = _choose_times(video, gaze_path, fps)
    if times is None:
        return GazeVideo(video, recording, fps=fps, index=index)
    if _are_one_recording(video, gaze_path):
        recording = _count_from(recording, times.begin_ns)
    leaps = any(jump.step_s > 0 for jump in recording.jumps)
    return GazeVideo(video, recording, times.from_first(leaps=leaps), fps, index)


def attach_gaze(path: str | Path, gaze: GazeRecording, *, fps: float | None = None) -> GazeVideo:
    """Put a video and gaze that is already read together; `path` and `fps` are those of `open_video`."""
    video = _scene_video_of(Path(path))
    times = times_of_video(video) if video.is_file() else None
    return GazeVideo(video, gaze, times.from_first() if times else (), fps)


def open_video(path: str | Path, *, fps: float | None = None, recorded_ns: Sequence[int] = ()) -> FrameReader:
    """Open a video, a folder of frames, or the scene video of a recording, at the times that count.

    Args:
        path: the video or folder. The times of a scene video are those that its recording states.
        fps: frames a second, evenly spaced; counts before the times that the recording or the file states.
        recorded_ns: when each frame was taken, nanoseconds, where it is known; empty finds it.

    Raises:
        InputError: the folder of a recording holds no scene video, or several.
        GazeDataError: the recording's frame times are damaged.
        MediaError: the video cannot be read.
    """
    video = _scene_video_of(Path(path))
    if not recorded_ns and video.is_file():
        times = times_of_video(video)
        recorded_ns = times.from_first() if times else ()
    return open_frames(video, fps=fps, recorded_ns=recorded_ns)


def read_gaze(
    path: str | Path,
    *,
    format: str | None = None,
    min_confidence: float | None = None,
    recording_name: str | None = None,
    video: Path | None = None,
) -> GazeRecording:
    """Read gaze from a known recording, a session's recording, or a folder with a `gaze.csv`.

    Args:
        path: the file or folder.
        format: a name from `recordings.formats()`; None recognises it by content.
        min_confidence: as in `recordings.read`.
        recording_name: as in `recordings.read`.
        video: video or folder of frames, whose size turns shares of the frame into pixels; None: as recorded.

    Raises:
        GazeDataError: the gaze cannot be read, or several formats fit and `format` is None.
    """
    path = Path(path)
    if path.is_dir() and (path / SESSION_HEADER).is_file():
        return discard_low_confidence(_read_session_gaze(path), min_confidence or 0.0)
    own_file = path / GAZE_FILE
    if own_file.is_file() and (format == "csv" or not _is_recognised(path)):
        path = own_file
    sized = video is not None and path.exists() and uses_frame_size(path, format)
    return recordings.read(
        path,
        format=format,
        min_confidence=min_confidence,
        recording_name=recording_name,
        frame_size=_frame_size(video) if sized and video is not None else None,
    )


def _frame_size(video: Path) -> tuple[int, int]:
    """Return (height, width) of the frames of a video or a folder of images."""
    if video.is_file():
        return read_frame_size(video)
    image = read_image(list_images(video)[0])
    return image.shape[0], image.shape[1]


def recognise_gaze(folder: Path) -> str | None:
    """Return the name of the format of the gaze that a recording's folder holds; None where it holds none.

    `csv` stands for the folder of a session's recording, too. Where several formats fit, the first one is named.
    """
    if (folder / SESSION_HEADER).is_file():
        return "csv"
    place = _find_gaze(folder)
    found = next((name for name in formats() if reader(name).recognise(place)), None)
    return found or ("csv" if (place / GAZE_FILE).is_file() else None)


def _is_recognised(path: Path) -> bool:
    return any(reader(name).recognise(path) for name in formats())


def _find_gaze(folder: Path) -> Path:
    """Return the folder that holds a recording's gaze: the folder itself, or the only export in it."""
    if (folder / SESSION_HEADER).is_file() or (folder / GAZE_FILE).is_file() or _is_recognised(folder):
        return folder
    exports = [path for path in sorted((folder / "exports").glob("*")) if _is_recognised(path)]
    if len(exports) > 1:
        names = ", ".join(f"exports/{path.name}" for path in exports)
        raise InputError(f"{folder}: holds {names}; give the folder of one of them")
    return exports[0] if exports else folder


def _scene_video_of(path: Path) -> Path:
    """Return a video or a folder of frames itself, and for a recording's folder the scene video."""
    return _find_video(path) if path.is_dir() and not holds_frames(path) else path


def _find_video(folder: Path) -> Path:
    """Return the scene video of a recording. A session's recording, which holds none, has an error of its own."""
    try:
        return find_scene_video(folder)
    except InputError as error:
        if (folder / SESSION_HEADER).is_file() and "no scene video" in str(error):
            raise InputError(
                f"{folder}: a session's recording holds no pictures; give the video, and --gaze {folder}"
            ) from error
        raise


def _choose_times(
    video: Path, gaze: Path, fps: float | None
) -> tuple[RecordedTimes | None, VideoIndex | None]:
    """Return the recorded times that belong to a video, and its index where that was read.

    Warns where the gaze's recording states times of another video.
    """
    own = times_of_video(video) if video.is_file() else None
    if own is not None:
        return own, None
    times = times_of_recording(gaze if gaze.is_dir() else gaze.parent)
    if times is None or fps is not None:
        return None, None
    index = index_video(video) if video.is_file() else None
    count = len(list_images(video)) if index is None else index.count
    # Within one recording, times that do not fit are an error: `open_frames` raises it.
    if counts_fit(count, len(times.times_ns)) or _are_one_recording(video, gaze):
        return times, index
    warnings.warn(
        f"{video.name}: has {count} frames, and {times.path} states {len(times.times_ns)} frame times, so it is not "
        "the scene video of that recording; the video's own times are used",
        SamEdgeWarning,
        stacklevel=3,
    )
    return None, index


def _are_one_recording(video: Path, gaze: Path) -> bool:
    folder = (gaze if gaze.is_dir() else gaze.parent).resolve()
    places = {folder, folder.parent.parent} if folder.parent.name == "exports" else {folder}
    return video.resolve().parent in places


def _count_from(recording: GazeRecording, begin_ns: int) -> GazeRecording:
    """Count a recording's times from another frame than its first one: a part of the video, or all of an export's.

    Where the recording was joined from parts, those of another clock or after a pause do not belong to that video.
    """
    if recording.format not in CLOCKED_FORMATS or not recording.samples:
        return recording
    device_ns = [_device_ns(sample) for sample in recording.samples]
    if device_ns[0] - recording.samples[0].time_ns == begin_ns:
        return recording
    starts_ns = [
        time_ns - sample.time_ns for time_ns, sample in zip(device_ns, recording.samples, strict=True)
    ]
    nearest = min(range(len(device_ns)), key=lambda index: abs(device_ns[index] - begin_ns))
    shift_ns = starts_ns[nearest] - begin_ns
    samples = tuple(
        replace(sample, time_ns=sample.time_ns + shift_ns)
        for sample, start_ns in zip(recording.samples, starts_ns, strict=True)
        if start_ns == starts_ns[nearest]
    )
    fixations = tuple(fixation.shifted(shift_ns) for fixation in recording.fixations)
    events = tuple(event.shifted(shift_ns) for event in recording.events)
    return replace(recording, samples=samples, parts=(), jumps=(), fixations=fixations, events=events)


def _device_ns(sample: GazeSample) -> int:
    return sample.time_ns if sample.device_time_ns is None else sample.device_time_ns


def _read_session_gaze(path: Path) -> GazeRecording:
    session = read_session_recording(path)
    samples = [
        sample for entry in session.entries() if isinstance(entry, RecordedGaze) for sample in entry.samples
    ]
    begin_ns = next((frame.time_ns for frame in session.frames), 0)
    px_per_deg = session.options.get("px_per_deg")
    return recordings.make_recording(
        (replace(sample, time_ns=sample.time_ns - begin_ns) for sample in samples),
        path=path,
        format="session",
        px_per_deg=float(px_per_deg) if isinstance(px_per_deg, int | float) else None,
    )
