"""`sam-edge track` on small clips, on the fake runtime and on the real model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_edge.errors import SamEdgeWarning

Run = Callable[..., tuple[int, str, str]]
FRAMES = 12


def masks_in(folder: Path) -> dict[str, np.ndarray]:
    return {
        path.stem: np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        for path in sorted(folder.iterdir())
    }


def test_writes_what_was_asked_for(run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    out, masks, report = tmp_path / "o" / "a.mp4", tmp_path / "o" / "masks", tmp_path / "o" / "r.json"
    status, printed, _ = run_cli(
        "track",
        clip,
        "--gaze",
        gaze_csv,
        "--runtime",
        "fake",
        "--out",
        out,
        "--masks",
        masks,
        "--report",
        report,
    )
    assert status == 0
    assert "median" in printed
    found = masks_in(masks)
    assert set(found) <= {f"{index:05d}" for index in range(FRAMES)}
    assert all(set(np.unique(mask)) <= {0, 255} and mask.shape == (96, 128) for mask in found.values())
    video = cv2.VideoCapture(str(out))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == FRAMES
    content = json.loads(report.read_text())
    assert [frame["index"] for frame in content["frames"]] == list(range(FRAMES))
    assert content["environment"]["engine"] == "fake"
    selected = [frame for frame in content["frames"] if frame["origin"] != "none"]
    assert len(selected) == len(found)
    assert all({"encode", "attend", "total"} <= set(frame["stages_ms"]) for frame in selected)


def test_the_mask_follows_the_gaze(run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    assert run_cli("track", clip, "--gaze", gaze_csv, "--runtime", "fake", "--masks", masks)[0] == 0
    found = masks_in(masks)
    assert len(found) >= FRAMES - 4
    centres = {int(stem): np.nonzero(mask)[1].mean() for stem, mask in found.items()}
    assert centres[FRAMES - 1] > centres[min(centres)]


def test_the_first_half_of_the_gaze_gives_the_first_half_of_the_masks(
    run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path
) -> None:
    """Causal: what comes later changes nothing before."""
    half = tmp_path / "half.csv"
    lines = gaze_csv.read_text().splitlines()
    half.write_text(
        "\n".join([lines[0], *(line for line in lines[1:] if float(line.split(",")[0]) <= 6 / 24)]) + "\n"
    )
    for name, gaze in (("whole", gaze_csv), ("half", half)):
        assert run_cli("track", clip, "--gaze", gaze, "--runtime", "fake", "--masks", tmp_path / name)[0] == 0
    whole, part = masks_in(tmp_path / "whole"), masks_in(tmp_path / "half")
    early = [stem for stem in whole if int(stem) < 6]
    assert early
    for stem in early:
        np.testing.assert_array_equal(whole[stem], part[stem])


def test_two_runs_give_the_same(run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert (
            run_cli(
                "track", clip, "--gaze", gaze_csv, "--runtime", "onnxruntime", "--masks", tmp_path / name
            )[0]
            == 0
        )
    first, second = masks_in(tmp_path / "a"), masks_in(tmp_path / "b")
    assert first.keys() == second.keys()
    for stem in first:
        np.testing.assert_array_equal(first[stem], second[stem])


def test_the_real_model_selects_the_disc(run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    assert run_cli("track", clip, "--gaze", gaze_csv, "--runtime", "onnxruntime", "--masks", masks)[0] == 0
    last = masks_in(masks)[f"{FRAMES - 1:05d}"] > 0
    disc = np.zeros((96, 128), np.uint8)
    cv2.circle(disc, (40 + 2 * (FRAMES - 1), 48), 20, 1, -1)
    inside = disc > 0
    assert (last & inside).sum() / (last | inside).sum() > 0.8


def test_real_time_shows_every_frame(run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    status, printed, shown = run_cli(
        "track", clip, "--gaze", gaze_csv, "--runtime", "fake", "--realtime", "--report", report
    )
    assert status == 0
    assert "real time" in printed
    # While the clock runs, and while the outputs are written.
    for part in ("play", "write"):
        assert f"{part}: 100%  {FRAMES}/{FRAMES} frames" in shown
    assert len(json.loads(report.read_text())["frames"]) == FRAMES


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("timestamp_s,x_px\n0,1\n", "y_px"),
        ("timestamp_s,x_px,y_px\n0.1,5,5\n0.0,5,5\n", "0.0"),
        ("timestamp_s,x_px,y_px\n0.1,5,5\n0.1,5,5\n", "0.1"),
        ("timestamp_s,x_px,y_px\n0.0,five,5\n", "five"),
        ("timestamp_s,x_px,y_px\n0.0,900000,5\n", "900000"),
        ("", "bad.csv"),
    ],
)
def test_bad_gaze_is_named(run_cli: Run, clip: Path, tmp_path: Path, content: str, named: str) -> None:
    gaze = tmp_path / "bad.csv"
    gaze.write_text(content)
    out, masks = tmp_path / "a.mp4", tmp_path / "masks"
    status, _, err = run_cli(
        "track", clip, "--gaze", gaze, "--runtime", "fake", "--out", out, "--masks", masks
    )
    assert status == 2
    assert err.startswith("sam-edge: error: ")
    assert named in err
    assert "Traceback" not in err
    assert not out.exists()
    assert not masks.exists()


def test_invalid_samples_are_accepted(run_cli: Run, clip: Path, tmp_path: Path) -> None:
    gaze = tmp_path / "gaze.csv"
    gaze.write_text("timestamp_s,x_px,y_px,confidence\n0.0,,,0\n0.1,nan,nan,0\n0.2,50,48,1\n")
    with pytest.warns(SamEdgeWarning, match="only 5 of the video's 12 frames"):
        assert run_cli("track", clip, "--gaze", gaze, "--runtime", "fake")[0] == 0


def test_a_clip_that_changes_size_leaves_nothing_behind(
    run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path
) -> None:
    cv2.imwrite(str(clip / "00006.png"), np.zeros((50, 60, 3), np.uint8))
    out, masks = tmp_path / "o" / "a.mp4", tmp_path / "o" / "masks"
    status, _, err = run_cli(
        "track", clip, "--gaze", gaze_csv, "--runtime", "fake", "--out", out, "--masks", masks
    )
    assert status == 2
    assert "00006" in err
    assert "60x50" in err
    assert not out.exists()
    assert not masks.exists()
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("video", ["nothing.mp4", "empty", "broken.mp4"])
def test_bad_videos_are_named(run_cli: Run, gaze_csv: Path, tmp_path: Path, video: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(200))
    status, _, err = run_cli("track", tmp_path / video, "--gaze", gaze_csv, "--runtime", "fake")
    assert status == 2
    assert video in err


def test_an_input_is_not_written_over(run_cli: Run, clip: Path, gaze_csv: Path) -> None:
    status, _, err = run_cli("track", clip, "--gaze", gaze_csv, "--runtime", "fake", "--report", gaze_csv)
    assert status == 2
    assert "--report" in err
    assert gaze_csv.read_text().startswith("timestamp_s")


def test_a_clock_cannot_be_recorded(run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    status, _, err = run_cli(
        "track", clip, "--gaze", gaze_csv, "--runtime", "fake", "--realtime", "--record", folder
    )
    assert status == 2
    assert "--record: not with --realtime" in err
    assert not folder.exists()


def test_a_recording_is_not_written_over(run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    given = ("track", clip, "--gaze", gaze_csv, "--runtime", "fake", "--quiet", "--record", tmp_path / "run")
    assert run_cli(*given)[0] == 0
    before = (tmp_path / "run" / "log.jsonl").read_bytes()
    status, _, err = run_cli(*given)
    assert status == 2
    assert "new or an empty folder" in err
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == before


def test_an_unknown_engine_is_named(run_cli: Run, clip: Path, gaze_csv: Path) -> None:
    status, _, err = run_cli("track", clip, "--gaze", gaze_csv, "--runtime", "warp")
    assert status == 2
    assert "'warp'" in err
    assert "onnxruntime" in err
