"""The check of a recording before the work: its format, its video, and how long it is. Only heads of files are read."""

from __future__ import annotations

from dataclasses import replace

import av

from sam_edge.batch.files import is_remote, local_path
from sam_edge.batch.unit import Recording
from sam_edge.errors import InputError, MediaError, SamEdgeError
from sam_edge.gaze import recordings
from sam_edge.gaze_video import find_scene_video, holds_frames, recognise_gaze
from sam_edge.media.folder_frames import FOLDER_FPS, list_images


def check_recording(recording: Recording, *, needs_video: bool) -> Recording:
    """Return the recording with its format, its length, and the problem that keeps it from being processed, if any.

    A remote recording is returned as it is: it is checked where it is processed.
    """
    if is_remote(recording.uri) or (recording.gaze is not None and is_remote(recording.gaze)):
        return recording
    try:
        checked = replace(recording, format=recording.format or _find_format(recording))
        return _measure(checked) if needs_video else checked
    except MediaError as error:
        return replace(recording, problem_class="media", problem=_one_line(error))
    except (SamEdgeError, OSError) as error:
        return replace(recording, problem_class="input", problem=_one_line(error))


def _find_format(recording: Recording) -> str:
    path = local_path(recording.uri if recording.gaze is None else recording.gaze)
    if path.is_dir():
        name = recognise_gaze(path)
        if name is None:
            raise InputError(f"no gaze of a known format; accepted: {', '.join(recordings.formats())}")
        return name
    return recordings.recognise(path)


def _measure(recording: Recording) -> Recording:
    """Return the recording with the length of its video. Raises `InputError` and `MediaError`."""
    path = local_path(recording.uri)
    if holds_frames(path):
        count = len(list_images(path))
        return replace(recording, frames=count, duration_s=count / FOLDER_FPS)
    video = find_scene_video(path) if path.is_dir() else path
    try:
        with av.open(str(video)) as container:
            if not container.streams.video:
                raise MediaError(f"{video.name}: holds no video")
            stream = container.streams.video[0]
            duration_s = _duration_s(container, stream)
            frames = stream.frames or None
            if frames is None and duration_s is not None and stream.average_rate:
                frames = round(duration_s * float(stream.average_rate))
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or _one_line(error)
        raise MediaError(f"{video.name}: cannot be opened as a video ({reason})") from error
    return replace(recording, duration_s=duration_s, frames=frames)


def _duration_s(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Return the length that the file states, seconds; None where it states none."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
