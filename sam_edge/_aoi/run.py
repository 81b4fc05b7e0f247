"""`aoi`: from a recording to the metrics of the objects that were looked at."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_edge._aoi.gazeplotter import gazeplotter_table
from sam_edge._aoi.looks import LookOptions, Looks, Section
from sam_edge._aoi.metric_tables import SectionMetrics, metrics_table, transitions_table
from sam_edge._aoi.metrics import measure_objects
from sam_edge._aoi.pictures import BestPictures
from sam_edge._aoi.sections import SectionText, make_sections
from sam_edge._aoi.visits import Visit, count_transitions, find_visits
from sam_edge._track import track
from sam_edge._track.inputs import GazeInput
from sam_edge._track.stream import OpenModel
from sam_edge.errors import InputError
from sam_edge.media.atomic import write_folder_atomically
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.segmenter import Segmenter
from sam_edge.timeline import FixationOrigin, Table, TimelineTables


@dataclass(frozen=True, slots=True, eq=False)
class AoiResult:
    """What `aoi` found."""

    tables: TimelineTables
    """The timeline, the samples and the fixations."""
    metrics: Table
    """A line an object and section, as `aoi_metrics.csv`."""
    transitions: Table
    """A line a pair of objects that follow one another, as `transitions.csv`."""
    gazeplotter: Table
    """A line a fixation, as `gazeplotter.csv`."""
    visits: dict[str, list[Visit]]
    """The visits of each section by its name, in order of time."""


def aoi(
    recording: str | Path,
    gaze: GazeInput | None = None,
    *,
    out: str | Path,
    model: Segmenter | OpenModel | None = None,
    sections: Sequence[str] = (),
    format: str | None = None,
    min_confidence: float | None = None,
    fps: float | None = None,
    px_per_deg: float | None = None,
    fixations_from: FixationOrigin | None = None,
    margin_deg: float = 0.0,
    min_on_object: float = 0.5,
    max_off_ms: float = 500.0,
    progress: bool = False,
) -> AoiResult:
    """Follow the objects that a person looks at, and write what a study needs. docs/aoi.md has the definitions.

    Args:
        recording: the folder of a tracker's recording with its scene video; or a video, with `gaze`.
        gaze: gaze for a video, as in `track`.
        out: new folder to write.
        model: as in `track`.
        sections: parts of the recording that have metrics of their own: `FROM..TO` or `NAME=FROM..TO`, each of FROM
            and TO in seconds after the first frame, or the name of an event. Empty: the whole recording is one.
        format: as in `track`.
        min_confidence: as in `track`.
        fps: as in `track`.
        px_per_deg: as in `track`.
        fixations_from: as in `track`.
        margin_deg: gaze this near to the mask counts as on the object, degrees.
        min_on_object: least probability, 0..1, for a fixation or sample to count for an object.
        max_off_ms: a visit goes on over a pause of at most this.
        progress: show a progress bar on stderr.

    Raises:
        InputError: an argument is not accepted, `out` holds something, or a section has no gaze.
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
    folder = Path(out)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"out: {folder} is not empty; give the name of a new folder")
    table_ending = ".parquet" if importlib.util.find_spec("pyarrow") else ".csv"
    pictures = BestPictures()
    inputs = {"recording": Path(recording)}
    if isinstance(gaze, (str, Path)):
        inputs["gaze"] = Path(gaze)
    with (
        prepare_outputs(Output("out", folder, "folder"), inputs=inputs),
        write_folder_atomically(folder) as part,
    ):
        with track(
            recording,
            gaze,
            model=model,
            format=format,
            min_confidence=min_confidence,
            fps=fps,
            px_per_deg=px_per_deg,
            out=part / "annotated.mp4",
            report=part / "report.json",
            timeline=part / f"timeline{table_ending}",
            samples=part / f"samples{table_ending}",
            fixations=part / "fixations.csv",
            fixations_from=fixations_from,
            margin_deg=margin_deg,
            progress=progress,
            stream=True,
        ) as frames:
            chosen = make_sections(sections, frames.gaze, frames.events, frames.duration_ns)
            for frame in frames:
                pictures.add(frame)
            result = _summarise(Path(recording).name, frames.tables, chosen, options)
        _write(part, result, pictures)
    return result


def _summarise(
    name: str, tables: TimelineTables, sections: Sequence[Section], options: LookOptions
) -> AoiResult:
    all_looks = [Looks.from_tables(tables, section, options) for section in sections]
    visits = {looks.section.name: find_visits(looks, options) for looks in all_looks}
    metrics = [
        SectionMetrics(
            looks.section.name,
            measure_objects(looks, options),
            count_transitions(visits[looks.section.name]),
        )
        for looks in all_looks
    ]
    return AoiResult(
        tables=tables,
        metrics=metrics_table(name, metrics),
        transitions=transitions_table(name, metrics),
        gazeplotter=gazeplotter_table(name, all_looks),
        visits=visits,
    )


def _write(folder: Path, result: AoiResult, pictures: BestPictures) -> None:
    result.metrics.write(folder / "aoi_metrics.csv")
    result.transitions.write(folder / "transitions.csv")
    result.gazeplotter.write(folder / "gazeplotter.csv")
    timeline = result.tables.timeline
    labels = dict(zip(timeline.numbers("object"), timeline.values["label"].tolist(), strict=True))
    lines = [
        f"{name}\t{' '.join(labels.get(visit.object_id) or str(visit.object_id) for visit in visits)}\n"
        for name, visits in result.visits.items()
    ]
    (folder / "scanpath.txt").write_text("".join(lines), encoding="utf-8")
    for number, picture in sorted(pictures.by_object().items()):
        picture.write(folder / "objects" / str(number), object=number, label=labels.get(number))
