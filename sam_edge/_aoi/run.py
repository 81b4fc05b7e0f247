"""`aoi`: from a recording to the metrics of the objects that were looked at."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from sam_edge._aoi.areas import AREA_SAMPLES, is_known
from sam_edge._aoi.defined.area_tracker import AreaTracker
from sam_edge._aoi.defined.find_aois import check_definitions
from sam_edge._aoi.defined.read_definitions import read_definitions
from sam_edge._aoi.exports import MaskSpool, write_bids, write_coco_video
from sam_edge._aoi.looks import LookOptions
from sam_edge._aoi.object_labels import object_labels
from sam_edge._aoi.pictures import BestPictures, ObjectPicture
from sam_edge._aoi.report import write_report
from sam_edge._aoi.sections import SectionText, make_sections
from sam_edge._aoi.study import Study
from sam_edge._aoi.summary import AoiResult, summarise, write_summary
from sam_edge._track import StreamedFrame, track
from sam_edge._track.inputs import GazeInput
from sam_edge._track.stream import OpenModel
from sam_edge.errors import InputError
from sam_edge.media.atomic import write_folder_atomically
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.segmenter import Segmenter
from sam_edge.timeline import FixationOrigin, TimelineTables

EXPORTS = ("bids", "coco-video")
"""Further files that `aoi` writes."""


def aoi(
    recording: str | Path,
    gaze: GazeInput | None = None,
    *,
    out: str | Path,
    model: Segmenter | OpenModel | None = None,
    sections: Sequence[str] = (),
    format: str | None = None,
    recording_name: str | None = None,
    min_confidence: float | None = None,
    fps: float | None = None,
    px_per_deg: float | None = None,
    size: tuple[int, int] | None = None,
    fixations_from: FixationOrigin | None = None,
    margin_deg: float = 0.0,
    min_on_object: float = 0.5,
    max_off_ms: float = 500.0,
    exports: Sequence[str] = (),
    video: bool = True,
    on_frame: Callable[[StreamedFrame], object] | None = None,
    aois: str | Path | None = None,
    every: int | None = None,
    progress: bool = False,
) -> AoiResult:
    """Follow the objects that a person looks at, and write what a study needs.

    docs/reference/metrics.md has the definitions.

    Args:
        recording: the folder of a tracker's recording with its scene video; or a video, with `gaze`.
        gaze: gaze for a video, as in `track`.
        out: new folder to write.
        model: as in `track`.
        sections: parts of the recording that have metrics of their own: `FROM..TO` or `NAME=FROM..TO`, each of FROM
            and TO in seconds after the first frame, or the name of an event. Empty: the whole recording is one.
        format: as in `track`.
        recording_name: as in `track`.
        min_confidence: as in `track`.
        fps: as in `track`.
        px_per_deg: as in `track`.
        size: as in `track`; without `every` a small one.
        fixations_from: as in `track`.
        margin_deg: gaze this near to the mask counts as on the object, degrees.
        min_on_object: least probability, 0..1, for a fixation or sample to count for an object.
        max_off_ms: a visit goes on over a pause of at most this.
        exports: further files: `bids` (gaze and fixations), `coco-video` (all masks, as YouTube-VIS).
        video: write the annotated video.
        on_frame: receives every frame, with its image and its mask.
        aois: AOIs that are found where they appear, also when nobody looks at them: a JSON file, or a folder of
            pictures. docs/how-to/aoi.md has the format.
        every: find what is looked at on every n-th frame, and carry its mask by motion to those between. None: about
            five times a second, on a smaller input of the encoder: a recording then takes less than its own length.
        progress: show a progress bar on stderr.

    Raises:
        InputError: an argument is not accepted, `out` holds something, a section has no gaze, or an AOI does not fit
            the recording.
        GazeDataError: as in `track`.
        MediaError: as in `track`.
        EngineError: the engine failed.

    Example:
        >>> result = sam_edge.aoi("exports/000", out="study/000", sections=["search=0..30", "rest=30..60"])
        >>> for row in result.metrics:
        ...     print(row["section"], row["label id"], row["visits"], row["dwell time [ms]"])
    """
    options = LookOptions(min_on_object, max_off_ms)
    for text in sections:
        SectionText.parse(text)
    for name in exports:
        if name not in EXPORTS:
            raise InputError(f"exports: {name!r}; accepted: {', '.join(EXPORTS)}")
    defined = () if aois is None else read_definitions(aois)
    folder = Path(out)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"out: {folder} is not empty; give the name of a new folder")
    table_ending = ".parquet" if importlib.util.find_spec("pyarrow") else ".csv"
    pictures = BestPictures()
    inputs = {"recording": Path(recording)}
    if isinstance(gaze, (str, Path)):
        inputs["gaze"] = Path(gaze)
    if aois is not None:
        inputs["aois"] = Path(aois)
    with (
        prepare_outputs(Output("out", folder, "folder"), inputs=inputs),
        write_folder_atomically(folder) as part,
        MaskSpool() as spool,
    ):
        with track(
            recording,
            gaze,
            model=model,
            format=format,
            recording_name=recording_name,
            min_confidence=min_confidence,
            fps=fps,
            px_per_deg=px_per_deg,
            size=size,
            out=part / "annotated.mp4" if video else None,
            report=part / "report.json",
            timeline=part / f"timeline{table_ending}",
            samples=part / f"samples{table_ending}",
            fixations=part / "fixations.csv",
            fixations_from=fixations_from,
            margin_deg=margin_deg,
            encode_every=every,
            progress=progress,
            stream=True,
        ) as frames:
            chosen = make_sections(sections, frames.gaze, frames.events, frames.duration_ns)
            check_definitions(defined, frames.reader)
            with AreaTracker(defined, frames, margin_deg=margin_deg, progress=progress) as areas:
                for frame in frames:
                    pictures.add(frame)
                    areas.add(frame)
                    if on_frame is not None:
                        on_frame(frame)
                    if "coco-video" in exports:
                        spool.add(frame)
                tables, found = areas.finish(frames.tables)
                study = Study(
                    Path(recording).name,
                    frames.size,
                    frames.duration_ns,
                    tuple(chosen),
                    options,
                    (*frames.report.warnings, *areas.warnings),
                    found,
                )
                shown = {
                    number: item for number, item in pictures.by_object().items() if is_known(tables, number)
                }
                best = {**shown, **areas.pictures(found)}
        if found:
            _write_tables(part, tables, table_ending)
        result = summarise(study, tables)
        write_summary(part, study, result)
        names = {**object_labels(tables), **{area.number: area.name for area in found}}
        _write_pictures(part / "objects", best, names)
        _write_exports(part, exports, study, result.tables, spool)
        write_report(part, study, result.tables)
    return result


def _write_tables(folder: Path, tables: TimelineTables, ending: str) -> None:
    """Write the tables again, in which defined AOIs take part, and the samples on them."""
    tables.timeline.write(folder / f"timeline{ending}")
    tables.samples.write(folder / f"samples{ending}")
    tables.fixations.write(folder / "fixations.csv")
    if tables.on_areas is not None:
        tables.on_areas.write(folder / f"{AREA_SAMPLES}{ending}")


def _write_pictures(folder: Path, pictures: dict[int, ObjectPicture], labels: dict[int, str]) -> None:
    for number, picture in sorted(pictures.items()):
        picture.write(folder / str(number), object=number, label=labels.get(number))


def _write_exports(
    folder: Path, exports: Sequence[str], study: Study, tables: TimelineTables, spool: MaskSpool
) -> None:
    if "bids" in exports:
        write_bids(folder / "bids", tables, study)
    if "coco-video" in exports:
        write_coco_video(folder / "coco_video.json", tables, spool, study)
