"""`sam-edge annotate` on the terminal, with the model that ships."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from sam_edge.annotate import (
    Accept,
    Answer,
    Box,
    ChooseMask,
    Delete,
    EndStage,
    ExcludeGaze,
    Point,
    Reject,
    Relabel,
    Undo,
)
from sam_edge.cli.annotate import parse_answer
from sam_edge.cli.command_line import main
from sam_edge.masks.coco import read_coco

ENGINE = ("--runtime", "onnxruntime", "--threads", "1", "--size", "224x224")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("a", Accept()),
        ("a big dog", Accept("big dog")),
        ("r", Reject()),
        ("n", ChooseMask()),
        ("3", ChooseMask(2)),
        ("+ 10,20", Point(10, 20)),
        ("-10,20.5", Point(10, 20.5, False)),
        ("b 1,2,30,40", Box(1, 2, 30, 40)),
        ("g", ExcludeGaze()),
        ("u", Undo()),
        ("d 7", Delete(7)),
        ("l 7 cat", Relabel(7, "cat")),
        ("s", EndStage()),
        ("+ 10", None),
        ("+ nan,3", None),
        ("b 1,2", None),
        ("d x", None),
        ("l 7", None),
        ("5", None),
        ("what", None),
        ("", None),
    ],
)
def test_answers(line: str, answer: Answer | None) -> None:
    assert parse_answer(line) == answer


def run(clip: Path, gaze: Path, out: Path, *more: str) -> int:
    return main(["annotate", str(clip), "--gaze", str(gaze), "--out", str(out), *ENGINE, *more])


def test_by_keys_stopped_and_resumed(
    clip: Path,
    gaze: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "set"
    monkeypatch.setattr("sys.stdin", io.StringIO("what?\n+ 999,0\nq\n"))
    assert run(clip, gaze, out, "--stages", "assisted") == 0
    told = capsys.readouterr()
    assert "stopped" in told.out
    assert "outside the frame" in told.err
    assert read_coco(out / "annotations.json").annotations == ()
    monkeypatch.setattr("sys.stdin", io.StringIO("a disc\n"))
    assert run(clip, gaze, out, "--stages", "assisted") == 0
    coco = read_coco(out / "annotations.json")
    (one,) = coco.annotations
    assert abs(one.area_px - 3.14 * 400) < 250
    assert one.extra["provenance"]["engine"] == "onnxruntime"
    assert {kind.category_id: kind.name for kind in coco.categories}[one.category_id] == "disc"
    assert not (out / "proposal.png").exists()
    # A third time there is nothing left to ask.
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(clip, gaze, out, "--stages", "assisted") == 0
    assert len(read_coco(out / "annotations.json").annotations) == 1


def test_all_stages_without_asking(clip: Path, gaze: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert run(clip, gaze, out, "--yes", "--quiet") == 0
    coco = read_coco(out / "annotations.json")
    on_the_dwell = [one for one in coco.annotations if one.extra["provenance"]["decision"] == "accepted"]
    assert len(on_the_dwell) == 1
    assert [one.file_name for one in coco.images] == ["images/00000.png", "images/00005.png"]


def test_bad_input(clip: Path, gaze: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, named in (
        (("--stages", "assisted,magic"), "--stages"),
        (("--stride", "0"), "stride"),
        (("--px-per-deg", "-1"), "--px-per-deg"),
        (("--web", "--yes"), "--yes"),
        (("--web", "--port", "70000"), "port"),
    ):
        assert run(clip, gaze, tmp_path / "set", *more) == 2
        assert named in capsys.readouterr().err
    assert run(clip, gaze, clip) == 2
    assert "is also RECORDING" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    assert run(clip, gaze, tmp_path / "other") == 2
    assert "something else" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["notes.txt"]
    assert main(["annotate", str(clip), "--out", str(tmp_path / "none")]) == 2
    assert "holds no gaze; give it with --gaze" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_gaze_that_does_not_fit_is_refused_before_the_model_opens(
    clip: Path,
    gaze: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise AssertionError("the model was opened")

    monkeypatch.setattr("sam_edge.cli.annotate.open_model", refuse)
    header, *rows = gaze.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    late = tmp_path / "late.csv"
    late.write_text(
        "\n".join([header, *(",".join([str(float(row[0]) + 60), *row[1:]]) for row in cells)]) + "\n"
    )
    shares = tmp_path / "shares.csv"
    shares.write_text(
        "\n".join([header, *(",".join([row[0], "0.4", "0.6", *row[3:]]) for row in cells)]) + "\n"
    )
    for path, words in ((late, "60."), (shares, "they are normalised")):
        assert run(clip, path, tmp_path / "set") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("sam-edge: error: --gaze: ")
        assert words in line
        assert not (tmp_path / "set").exists()
