"""Messages of the command line speak of options, files and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sam_edge.cli.annotate import KEYS, TerminalPrompter
from sam_edge.errors import GazeDataError
from sam_edge.gaze.calibration import Calibration
from sam_edge.stream.replay import Difference

Run = Callable[..., tuple[int, str, str]]


def test_threads_that_are_not_accepted_are_told_in_words_of_the_command_line(
    run_cli: Run, clip: Path
) -> None:
    status, _, told = run_cli(
        "segment", clip / "00000.png", "--point", "40,48", "--runtime", "fake", "--threads", 0
    )
    assert status == 2
    assert "--threads: 0 is not accepted; give 1 or more; leave the option out for every core" in told
    assert "None" not in told


def test_an_empty_recording_is_said_to_be_empty(run_cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "gaze.csv"
    path.touch()
    status, _, told = run_cli("gaze", "info", path)
    assert status == 2
    assert "gaze.csv: the file is empty" in told


def test_events_are_printed_without_a_file(run_cli: Run, gaze_csv: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    status, printed, _ = run_cli("gaze", "events", gaze_csv)
    assert status == 0
    assert "100 samples at 200.0 Hz" in printed
    assert "->" not in printed
    assert sorted(tmp_path.rglob("*")) == before


def test_a_calibration_that_is_not_there_is_no_matter_of_json(tmp_path: Path) -> None:
    with pytest.raises(GazeDataError, match=r"me\.json: no such file$"):
        Calibration.load(tmp_path / "me.json")


def test_keys_are_shown_with_the_first_question_and_after_a_wrong_answer(tmp_path: Path) -> None:
    terminal = TerminalPrompter(tmp_path)
    assert terminal._describe_keys() == KEYS
    assert KEYS not in terminal._describe_keys()


def test_differences_of_a_replay_are_short_and_never_look_equal() -> None:
    assert (
        str(Difference("fixation", (1.23456789, 2.0), (1.5, 2.0)))
        == "fixation: (1.235, 2.0), replayed (1.5, 2.0)"
    )
    assert str(Difference("score", 0.12345, 0.12346)) == "score: 0.12345, replayed 0.12346"
