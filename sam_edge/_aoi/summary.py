"""From the tables of a recording to its metrics, and the files that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam_edge._aoi.areas import visible_table
from sam_edge._aoi.gazeplotter import gazeplotter_table
from sam_edge._aoi.looks import Looks
from sam_edge._aoi.metric_tables import SectionMetrics, fixations_table, metrics_table, transitions_table
from sam_edge._aoi.metrics import measure_objects
from sam_edge._aoi.object_labels import object_labels
from sam_edge._aoi.study import Study
from sam_edge._aoi.visits import Visit, count_transitions, find_visits
from sam_edge.timeline import Table, TimelineTables


@dataclass(frozen=True, slots=True, eq=False)
class AoiResult:
    """What `aoi` found."""

    tables: TimelineTables
    """The timeline, the samples and the fixations."""
    metrics: Table
    """A line an object and section, as `aoi_metrics.csv`."""
    transitions: Table
    """A line a pair of objects that follow one another, as `transitions.csv`."""
    aoi_fixations: Table
    """A line a fixation and object that it was on, as `aoi_fixations.csv`."""
    gazeplotter: Table
    """A line a fixation of a section, as `gazeplotter.csv`."""
    visits: dict[str, list[Visit]]
    """The visits of each section by its name, in order of time."""


def summarise(study: Study, tables: TimelineTables) -> AoiResult:
    """Compute the metrics of every section."""
    name, options = study.recording, study.options
    all_looks = [Looks.from_tables(tables, section, options) for section in study.sections]
    visits = {looks.section.name: find_visits(looks, options) for looks in all_looks}
    metrics = [
        SectionMetrics(
            looks.section.name,
            measure_objects(looks, options, areas=study.areas),
            count_transitions(visits[looks.section.name]),
        )
        for looks in all_looks
    ]
    return AoiResult(
        tables=tables,
        metrics=metrics_table(name, metrics),
        transitions=transitions_table(name, metrics),
        gazeplotter=gazeplotter_table(name, all_looks),
        aoi_fixations=fixations_table(name, tables.fixations.values["fixation"], all_looks),
        visits=visits,
    )


def write_summary(folder: Path, study: Study, result: AoiResult) -> None:
    """Write the metrics, the transitions, the order of visits, and `aoi.json`."""
    study.write(folder)
    result.metrics.write(folder / "aoi_metrics.csv")
    result.transitions.write(folder / "transitions.csv")
    result.gazeplotter.write(folder / "gazeplotter.csv")
    result.aoi_fixations.write(folder / "aoi_fixations.csv")
    if study.areas:
        visible_table(study.areas).write(folder / "aoi_visible.csv")
    labels = object_labels(result.tables)
    lines = [
        f"{name}\t{' '.join(labels.get(visit.object_id) or str(visit.object_id) for visit in visits)}\n"
        for name, visits in result.visits.items()
    ]
    (folder / "scanpath.txt").write_text("".join(lines), encoding="utf-8")
