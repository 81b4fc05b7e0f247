"""The benchmarks of the stream run on tiny data with the fake engine, and their figures are those of their runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow

FRAMES, SIZE = 30, (120, 160)


def run(repo_dir: Path, name: str, *arguments: object, status: int = 0) -> str:
    """Run a benchmark; return what it printed, errors included."""
    done = subprocess.run(
        [sys.executable, str(repo_dir / "benchmarks" / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def disc(index: int) -> np.ndarray:
    return cv2.circle(np.zeros(SIZE, np.uint8), (60 + index, 60), 40, 255, -1)


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """One sequence like those of DAVIS: a disc that moves by a pixel a frame."""
    folder = tmp_path / "davis"
    for part in ("JPEGImages", "Annotations"):
        (folder / part / "disc").mkdir(parents=True)
    for index in range(FRAMES):
        mask = disc(index)
        cv2.imwrite(str(folder / "Annotations" / "disc" / f"{index:05d}.png"), mask)
        image = np.where(mask[..., None] > 0, (60, 200, 220), (40, 40, 40)).astype(np.uint8)
        cv2.imwrite(str(folder / "JPEGImages" / "disc" / f"{index:05d}.jpg"), image)
    return folder


@pytest.fixture(scope="module")
def bench_stream(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    """The benchmark as a module."""
    return load_script(repo_dir / "benchmarks" / "bench_stream.py")


def test_a_folder_like_davis_is_run_and_scored(repo_dir: Path, davis: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "out.json", tmp_path / "work"
    given = ("--data", davis, "--seeds", "0", "--modes", "offline")
    printed = run(
        repo_dir, "bench_stream.py", *given, "--json", out, "--work", work, "--", "--runtime", "fake"
    )
    content = json.loads(out.read_text())
    (result,) = content["runs"]
    report = json.loads((work / "disc-0" / "ours-offline.json").read_text())
    assert (result["sequence"], result["system"]) == ("disc", "ours, offline")
    assert len(result["steps_ms"]) == FRAMES == report["summary"]["frames"]
    assert content["environment"]["engine"] == "fake"
    mean = content["tables"]["ours, offline"][-1]
    assert mean["name"] == "mean"
    assert mean["jf"] == pytest.approx((result["j"] + result["f"]) / 2, abs=1e-3)
    assert mean["p50_ms"] == pytest.approx(np.median(result["steps_ms"]))
    assert f"{mean['jf']:.3f}" in printed


def test_the_first_right_mask_is_the_first_with_half_of_the_union(
    bench_stream: ModuleType, davis: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    truth = davis / "Annotations" / "disc"
    case = bench_stream.Case("disc", 0, davis, truth, tmp_path / "gaze.csv", onset_s=0.5)
    assert bench_stream.first_right_ms(case, masks, (), 10.0) is None
    # Right before the gaze lands, wrong at 0.6 s, nothing at 0.7 s, right from 0.8 s on.
    for index in (0, 1, 2, 8, 9):
        cv2.imwrite(str(masks / f"{index:05d}.png"), disc(index))
    cv2.imwrite(str(masks / "00006.png"), np.full(SIZE, 255, np.uint8))
    assert bench_stream.first_right_ms(case, masks, (), 10.0) == pytest.approx(400)
    frames = [{"dropped": False, "stages_ms": {"total": 20.0}} for _ in range(FRAMES)]
    assert bench_stream.first_right_ms(case, masks, frames, 10.0) == pytest.approx(320)
    frames[8]["dropped"] = True
    assert bench_stream.first_right_ms(case, masks, frames, 10.0) == pytest.approx(400)


def test_a_wrong_first_dwell_is_timed_from_the_second_one(
    bench_stream: ModuleType, davis: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    truth = davis / "Annotations" / "disc"
    case = bench_stream.Case("disc", 0, davis, truth, tmp_path / "gaze.csv", 0.2, (0.2, 0.55, 1.0))
    # The whole frame at 0.2 and 0.3 s, the object from 0.7 s on; what comes after the second dwell is not counted.
    for index, mask in {2: np.full(SIZE, 255, np.uint8), 3: np.full(SIZE, 255, np.uint8), 7: disc(7)}.items():
        cv2.imwrite(str(masks / f"{index:05d}.png"), mask)
    cv2.imwrite(str(masks / "00009.png"), np.full(SIZE, 255, np.uint8))
    assert bench_stream.mended_ms(case, masks, (), 10.0) == (True, pytest.approx(250))
    assert bench_stream.filled_frames(case, masks, 10.0) == 2
    cv2.imwrite(str(masks / "00004.png"), disc(4))
    assert bench_stream.mended_ms(case, masks, (), 10.0) == (False, None)
    alone = bench_stream.Case("disc", 0, davis, truth, tmp_path / "gaze.csv", 0.2, (0.2,))
    assert bench_stream.mended_ms(alone, masks, (), 10.0) == (False, None)


def test_means_are_of_sequences_and_percentiles_of_all_steps(bench_stream: ModuleType) -> None:
    def result(sequence: str, jf: float, first_ms: float | None, steps: tuple[float, ...]) -> object:
        return bench_stream.Result("ours", sequence, 0, jf, jf, jf, 1.0, 10, first_ms, 1.0, 1.0, 300.0, steps)

    runs = [result("a", 0.2, 100, (1.0,)), result("a", 0.4, 300, (2.0,)), result("b", 0.9, None, (9.0, 9.0))]
    row = bench_stream.row("mean", runs)
    assert row["jf"] == pytest.approx((0.3 + 0.9) / 2)
    assert row["first_ms"] == 200
    assert (row["first_in"], row["runs"]) == (2, 3)
    assert row["p50_ms"] == np.median([1, 2, 9, 9])
    assert row["peak_memory_mb"] == 300
    assert "-" in bench_stream.line({**row, "on_time": None})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scorer", "nowhere"), "has no observer.py"),
        (("--modes", "slowly"), "realtime,offline"),
        (("--peer", "--peer-encoder", "nowhere.onnx"), "nowhere.onnx is missing"),
    ],
)
def test_what_cannot_run_is_told(repo_dir: Path, arguments: tuple[str, ...], said: str) -> None:
    status = 1 if arguments[0] == "--scorer" else 2
    assert said in run(repo_dir, "bench_stream.py", "--data", "here", *arguments, status=status)


def test_osie_takes_a_chooser_and_counts_its_hits(repo_dir: Path, tmp_path: Path) -> None:
    for name in ("stimuli", "instances", "fixations"):
        (tmp_path / name).mkdir()
    instances = np.zeros((300, 400), np.uint8)
    instances[100:200, 100:200] = 1
    instances[10:20, 10:20] = 2
    cv2.imwrite(str(tmp_path / "stimuli" / "1.jpg"), np.zeros((300, 400, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "instances" / "1.png"), instances)
    rows = [
        "0,0,150,150,200",
        "0,1,15,15,200",
        "0,2,160,150,200",
        "0,3,140,150,200",
        "1,0,110,120,200",
        "1,1,-5,9,90",
    ]
    (tmp_path / "fixations" / "1.csv").write_text(
        "\n".join(["subject,index,x_px,y_px,duration_ms", *rows]) + "\n"
    )
    (tmp_path / "my_chooser.py").write_text(
        "import numpy as np\n"
        "def square(model, embedding, points):\n"
        "    mask = np.zeros((300, 400), bool)\n"
        "    if points[0] == (150.0, 150.0):\n"
        "        mask[100:200, 100:200] = True\n"
        "    return mask\n"
    )
    out = tmp_path / "out.json"
    command = ["--data", tmp_path, "--runtime", "fake", "--chooser", "my_chooser:square", "--json", out]
    done = subprocess.run(
        [sys.executable, str(repo_dir / "benchmarks" / "bench_osie.py"), *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    one, three = json.loads(out.read_text())["figures"]
    assert (one["prompts"], one["hits"]) == (2, 0.5)
    assert (three["prompts"], three["hits"]) == (1, 1.0)


def test_memory_is_sampled_once_a_second(repo_dir: Path, tmp_path: Path) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("resident memory is read from /proc, which is not here")
    out = tmp_path / "out.json"
    printed = run(
        repo_dir, "bench_memory.py", "--minutes", 0.04, "--fast", "--runtime", "fake", "--json", out
    )
    content = json.loads(out.read_text())
    assert content["times_s"] == [0, 1, 2]
    assert content["stepped"] == 58
    assert content["with_mask"] > 20
    assert max(content["resident_mb"]) <= content["peak_memory_mb"] + 1
    assert content["growth"] is None
    assert "too short to tell" in printed
