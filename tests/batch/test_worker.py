"""The callable for pipelines: a row in, a row out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_edge.batch import Settings, Worker
from sam_edge.errors import InputError

DEMO = Path(__file__).resolve().parents[2] / "sam_edge" / "assets" / "demo"


def test_a_row_is_answered_with_a_row(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "out", Settings(do=("events",)))
    row = worker({"recording": str(DEMO / "gaze.csv"), "participant": "P1", "other": 7})
    assert (row["state"], row["attempts"], row["participant"], row["other"]) == ("done", 1, "P1", 7)
    assert (Path(row["results"]) / "events.csv").stat().st_size > 1000
    again = Worker(tmp_path / "out", Settings(do=("events",)))({"recording": str(DEMO / "gaze.csv")})
    assert (again["state"], again["attempts"], again["results"]) == ("done", 0, row["results"])


def test_errors_are_in_the_row(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "out", Settings(do=("events",)))
    missing = worker({"recording": str(tmp_path / "nowhere")})
    assert (missing["state"], missing["error_class"], missing["results"]) == ("failed", "input", "")
    assert "nowhere" in missing["message"]
    (tmp_path / "gaze.csv").write_text("no,gaze\n1,2\n")
    broken = worker({"recording": str(tmp_path / "gaze.csv")})
    assert (broken["state"], broken["error_class"]) == ("failed", "input")


def test_a_row_without_a_recording_and_an_output_of_another_run_are_refused(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "out", Settings(do=("events",)))
    with pytest.raises(InputError, match=r"row: \['video'\]: no `recording`"):
        worker({"video": "a.mp4"})
    with pytest.raises(InputError, match="out"):
        Worker(tmp_path / "out", Settings(do=("events",), px_per_deg=20))
