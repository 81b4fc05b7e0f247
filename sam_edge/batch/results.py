"""The files of one recording, in a local folder: timeline, masks, metrics, events."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sam_edge._aoi import aoi
from sam_edge._track import StreamedFrame, track
from sam_edge.batch.done import Figures
from sam_edge.batch.settings import Settings
from sam_edge.batch.unit import Recording
from sam_edge.closing import Closing
from sam_edge.gaze.events import label_whole_recording, write_labels
from sam_edge.gaze.fit import fit_gaze
from sam_edge.gaze.recordings import GazeRecording
from sam_edge.gaze.recordings.files import seconds_from_ns
from sam_edge.gaze.samples import SCENE_PX_PER_DEG
from sam_edge.gaze_video import holds_frames, open_gaze_video, read_gaze
from sam_edge.masks import Rle
from sam_edge.segmenter import Segmenter
from sam_edge.timeline import TimelineTables

OnFrame: TypeAlias = Callable[[StreamedFrame], object]

MASKS = "masks.jsonl.gz"
EVENTS = "events.csv"
REPORT = "report.html"
METRICS = "aoi_metrics.csv"


def make_results(
    source: Path, gaze: Path | None, recording: Recording, settings: Settings, folder: Path
) -> Figures:
    """Write a recording's files into a new folder.

    Args:
        source: the recording on this machine: its folder, or its video, or its gaze.
        gaze: the gaze, where `source` does not hold it.
        recording: the unit of work.
        settings: resolved settings.
        folder: folder to make.

    Raises:
        SamEdgeError: as `sam_edge.track` and `sam_edge.aoi` do.
    """
    px_per_deg = settings.px_per_deg if settings.px_per_deg is not None else recording.px_per_deg
    gaze = gaze_beside_frames(source) if gaze is None else gaze
    if recording.recording_name:
        settings = replace(settings, recording_name=recording.recording_name)
    figures = Figures()
    if settings.needs_video:
        figures = _follow(source, gaze, px_per_deg, settings, folder)
    else:
        folder.mkdir(parents=True)
    if "events" in settings.do:
        read = _read_gaze(source, gaze, settings)
        _write_events(folder / EVENTS, read, px_per_deg)
        if not settings.needs_video:
            valid = sum(sample.valid for sample in read.samples)
            figures = Figures(
                duration_s=read.duration_s,
                samples=len(read.samples),
                valid_gaze=valid / len(read.samples),
            )
    return figures


def gaze_beside_frames(source: Path) -> Path | None:
    """Return a folder of frames as the place of its gaze, too: `track` takes such a folder as a video alone."""
    return source if source.is_dir() and holds_frames(source) else None


class MaskFile(Closing):
    """Writes the mask of every frame to one compressed file: a JSON object a line. A context manager."""

    def __init__(self, path: Path) -> None:
        """Begin the file. Equal masks give an equal file: no time and no name are in its header."""
        self.end_ns = 0
        self._raw = path.open("wb")
        self._file = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0, compresslevel=6)

    def add(self, frame: StreamedFrame) -> None:
        """Write the mask that is shown on a frame; frames without one have no line."""
        self.end_ns = frame.end_ns
        if frame.mask is not None:
            line = {"frame": frame.index, "time_s": frame.time_s, "mask": Rle.from_mask(frame.mask).to_json()}
            self._file.write((json.dumps(line) + "\n").encode())

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        with self._raw:
            self._file.close()


@lru_cache(maxsize=1)
def _open_model(settings: Settings) -> Segmenter:
    """Return the model of a worker: opened for its first recording, and kept for the others."""
    return settings.open_model()


def _follow(
    source: Path, gaze: Path | None, px_per_deg: float | None, settings: Settings, folder: Path
) -> Figures:
    """Follow the objects through the video, and write everything but the events."""
    masks_path = folder.with_name("masks.part")
    model = _open_model(replace(settings, recording_name=None))
    with ExitStack() as stack:
        masks = stack.enter_context(MaskFile(masks_path))
        if "aoi" in settings.do:
            tables = _study(source, gaze, px_per_deg, settings, folder, model, masks.add)
        else:
            tables = _track(source, gaze, px_per_deg, settings, folder, model, masks.add)
    masks_path.replace(folder / MASKS)
    frames, samples = tables.timeline.values, tables.samples.values
    shown = [number for number in tables.timeline.numbers("object") if number is not None]
    return Figures(
        frames=len(tables.timeline),
        duration_s=masks.end_ns / 1e9,
        samples=len(tables.samples),
        valid_gaze=float(np.mean(samples["valid"])) if len(tables.samples) else None,
        fixations=len(tables.fixations),
        objects=len(set(shown)),
        coverage=len(shown) / len(frames["frame"]) if len(frames["frame"]) else 0.0,
        engine=model.runtime.name,
        precision=model.runtime.precision,
    )


def _study(
    source: Path,
    gaze: Path | None,
    px_per_deg: float | None,
    settings: Settings,
    folder: Path,
    model: Segmenter,
    on_frame: OnFrame,
) -> TimelineTables:
    return aoi(
        source,
        gaze,
        out=folder,
        model=model,
        sections=settings.sections,
        format=settings.format,
        recording_name=settings.recording_name,
        min_confidence=settings.min_confidence,
        fps=settings.fps,
        px_per_deg=px_per_deg,
        size=settings.size,
        fixations_from=settings.fixations_from,
        margin_deg=settings.margin_deg,
        min_on_object=settings.min_on_object,
        max_off_ms=settings.max_off_ms,
        exports=settings.exports,
        video=settings.video,
        on_frame=on_frame,
    ).tables


def _track(
    source: Path,
    gaze: Path | None,
    px_per_deg: float | None,
    settings: Settings,
    folder: Path,
    model: Segmenter,
    on_frame: OnFrame,
) -> TimelineTables:
    ending = ".parquet" if importlib.util.find_spec("pyarrow") else ".csv"
    with track(
        source,
        gaze,
        model=model,
        format=settings.format,
        recording_name=settings.recording_name,
        min_confidence=settings.min_confidence,
        fps=settings.fps,
        px_per_deg=px_per_deg,
        size=settings.size,
        out=folder / "annotated.mp4" if settings.video else None,
        report=folder / "report.json",
        timeline=folder / f"timeline{ending}",
        samples=folder / f"samples{ending}",
        fixations=folder / "fixations.csv",
        fixations_from=settings.fixations_from,
        margin_deg=settings.margin_deg,
        stream=True,
    ) as frames:
        for frame in frames:
            on_frame(frame)
        return frames.tables


def _read_gaze(source: Path, gaze: Path | None, settings: Settings) -> GazeRecording:
    """Read the gaze: with times after the first frame where the video is read as well."""
    if settings.needs_video:
        recording = open_gaze_video(
            source,
            gaze,
            format=settings.format,
            recording_name=settings.recording_name,
            fps=settings.fps,
            min_confidence=settings.min_confidence,
        ).gaze
    else:
        recording = read_gaze(
            gaze or source,
            format=settings.format,
            recording_name=settings.recording_name,
            min_confidence=settings.min_confidence,
        )
    fit = fit_gaze(recording)
    return replace(fit, errors=(), warnings=(*fit.errors, *fit.warnings)).checked()


def _write_events(path: Path, recording: GazeRecording, px_per_deg: float | None) -> None:
    scale = px_per_deg or recording.px_per_deg or SCENE_PX_PER_DEG
    times = [seconds_from_ns(sample.time_ns) for sample in recording.samples]
    write_labels(path, times, label_whole_recording(recording.samples, px_per_deg=scale))
