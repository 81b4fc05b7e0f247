"""`sam-edge segment`, `doctor`, `demo` and the entry point."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import sam_edge
from sam_edge.cli.command_line import main
from sam_edge.cli.doctor import describe_cache
from sam_edge.media.images import write_png
from sam_edge.segmenter import DEFAULT_BUNDLE

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def picture(clip: Path) -> Path:
    """A bright disc on a dark ground."""
    return clip / "00000.png"


def test_a_point_on_the_disc_selects_it(run_cli: Run, picture: Path, tmp_path: Path) -> None:
    out, overlay = tmp_path / "mask.png", tmp_path / "overlay.png"
    status, printed, _ = run_cli(
        "segment",
        picture,
        "--point",
        "40,48",
        "--out",
        out,
        "--overlay",
        overlay,
        "--runtime",
        "onnxruntime",
        "--json",
    )
    assert status == 0
    content = json.loads(printed)
    assert content["engine"].startswith("onnxruntime")
    mask = np.asarray(cv2.imread(str(out), cv2.IMREAD_GRAYSCALE))
    disc = np.zeros((96, 128), np.uint8)
    cv2.circle(disc, (40, 48), 20, 1, -1)
    assert content["masks"][0]["area_px"] == np.count_nonzero(mask)
    assert (np.logical_and(mask, disc)).sum() / np.logical_or(mask, disc).sum() > 0.8
    assert np.asarray(cv2.imread(str(overlay))).shape == (96, 128, 3)


def test_a_box_and_several_points(run_cli: Run, picture: Path) -> None:
    status, printed, _ = run_cli(
        "segment",
        picture,
        "--point",
        "40,48",
        "--negative-point",
        "100,48",
        "--box",
        "18,26,62,70",
        "--runtime",
        "fake",
    )
    assert status == 0
    assert printed.splitlines()[1].startswith("best")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--point", "4000,48"], "(4000, 48)"),
        (["--point", "a,b"], "'a,b'"),
        (["--point", "1,2,3"], "'1,2,3'"),
        (["--box", "60,60,10,10"], "no extent"),
        ([], "none is given"),
        (["--point", "4,4", "--size", "100x100"], "100"),
        (["--point", "4,4", "--size", "big"], "'big'"),
        (["--point", "4,4", "--threads", "0"], "threads"),
        (["--point", "4,4", "--model", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_bad_prompts_are_named(
    run_cli: Run, picture: Path, tmp_path: Path, arguments: list[str], named: str
) -> None:
    out = tmp_path / "mask.png"
    status, _, err = run_cli("segment", picture, *arguments, "--runtime", "fake", "--out", out)
    assert status == 2
    assert named in err
    assert "Traceback" not in err
    assert not out.exists()


def test_a_damaged_bundle_is_named(run_cli: Run, picture: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    damaged = bundle / "decoder.weights"
    content = bytearray(damaged.read_bytes())
    content[1000] ^= 1
    damaged.write_bytes(content)
    status, _, err = run_cli("segment", picture, "--point", "40,48", "--model", bundle)
    assert status == 2
    assert "decoder.weights" in err
    assert "damaged" in err


def test_an_unreadable_picture_is_named(run_cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("not a picture")
    status, _, err = run_cli("segment", path, "--point", "1,1", "--runtime", "fake")
    assert status == 2
    assert "text.png" in err


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(sam_edge.MediaError):
        main(["--debug", "segment", str(tmp_path / "none.png"), "--point", "1,1", "--runtime", "fake"])


def test_doctor_names_what_is_here(run_cli: Run) -> None:
    status, printed, _ = run_cli("doctor")
    assert status == 0
    for word in ("onnxruntime", "openvino", "mobile_sam-int8", "whole", "export", "CPU"):
        assert word in printed


def test_doctor_names_the_folder_of_compiled_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert describe_cache() == "compiled models are not kept (SAM_EDGE_CACHE=off)"
    monkeypatch.setenv("SAM_EDGE_CACHE", str(tmp_path / "mine"))
    assert describe_cache() == f"{tmp_path / 'mine'}: 0 compiled models, 0 MB of at most 1074"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SAM_EDGE_CACHE", str(tmp_path / "file"))
    assert "cannot be written" in describe_cache()


def test_no_cache_keeps_nothing(run_cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAM_EDGE_CACHE", str(tmp_path / "cache"))
    image = tmp_path / "image.png"
    write_png(image, np.zeros((64, 64), np.bool_))
    given = (*("segment", str(image), "--point", "30,30"), "--runtime", "onnxruntime", "--size", "64x64")
    assert run_cli(*given, "--no-cache")[0] == 0
    assert not (tmp_path / "cache").exists()
    monkeypatch.setenv("SAM_EDGE_CACHE", str(tmp_path / "cache"))
    assert run_cli(*given)[0] == 0
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_subcommand_imports_no_other() -> None:
    program = (
        "import sys; from sam_edge.cli import main; main(['segment', 'nowhere.png', '--point', '1,1']); "
        "print([name for name in sys.modules if name.startswith(('sam_edge.stream', 'sam_edge.gaze'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_is_installed_and_errors_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sam_edge.cli", "segment", "nowhere.png", "--point", "1,1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("sam-edge: error: ")
    assert "Traceback" not in done.stderr


def test_demo_selects_what_is_looked_at(run_cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    status, printed, _ = run_cli("demo", "--out", out, "--runtime", "fake")
    assert status == 0
    assert "Blender Foundation" in printed
    assert (out / "annotated.mp4").stat().st_size > 10_000
    assert len(list((out / "masks").iterdir())) > 100
    assert json.loads((out / "report.json").read_text())["schema"] == 3


def test_demo_shows_what_waited_and_what_was_live(run_cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    status, printed, _ = run_cli("demo", "--out", out, "--runtime", "fake")
    assert status == 0
    waited, live = printed.split("\nLive: ")
    assert "not live: every frame waited for its own result" in waited
    assert "real time" not in waited
    assert "of 132 frames not done in time" in live
    assert "ms before their frame" in live
    assert (out / "live.mp4").stat().st_size > 10_000
    assert [json.loads((out / name).read_text())["realtime"] for name in ("report.json", "live.json")] == [
        False,
        True,
    ]
