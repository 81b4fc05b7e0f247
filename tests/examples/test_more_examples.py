"""The examples on files and streams run as they stand."""

from __future__ import annotations

import csv
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

from sam_edge.media.frames import open_frames

Run = Callable[..., str]


def test_image_click_cuts_the_disc_out(example_output: Run, tmp_path: Path) -> None:
    image = np.full((240, 320, 3), 40, np.uint8)
    cv2.circle(image, (160, 120), 60, (60, 200, 220), -1)
    picture, out = tmp_path / "disc.png", tmp_path / "cut.png"
    cv2.imwrite(str(picture), image)
    said = example_output("image_click", picture, "--point", "160,120", "--point", "140,110", "--out", out)
    assert "predicted IoU" in said
    cut = np.asarray(cv2.imread(str(out), cv2.IMREAD_UNCHANGED))
    assert cut.shape[2] == 4
    assert abs(cut.shape[0] - 121) <= 6
    assert abs(cut.shape[1] - 121) <= 6


def test_a_pupil_export_becomes_an_annotated_video(
    example_output: Run, pupil_export: Path, tmp_path: Path
) -> None:
    out = tmp_path / "annotated.mp4"
    said = example_output("offline_recording", pupil_export, "--out", out, "--runtime", "fake")
    assert "30 frames" in said
    assert "pupil-core" in said
    with open_frames(out) as frames, open_frames(pupil_export / "world.mp4") as plain:
        assert frames.size == (240, 320)
        pairs = [(one.image.astype(int), two.image) for one, two in zip(frames, plain, strict=True)]
    assert len(pairs) == 30
    drawn, plain_last = pairs[-1]
    assert (np.abs(drawn - plain_last).max(axis=2)[80:160, 110:190] > 40).sum() > 20
    with out.with_suffix(".csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert rows
    assert float(rows[-1]["x0"]) < 149 < float(rows[-1]["x1"])


def test_lsl_gaze_selects_in_the_video(repo_dir: Path, example_output: Run, tmp_path: Path) -> None:
    pytest.importorskip("pylsl", reason="needs pylsl: pip install 'sam-edge[gaze]'")
    clip = tmp_path / "disc.mp4"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (320, 240))
    for _ in range(75):
        writer.write(cv2.circle(np.full((240, 320, 3), 40, np.uint8), (160, 120), 40, (60, 200, 220), -1))
    writer.release()
    gaze = tmp_path / "gaze.csv"
    rows = [f"{index / 100:.3f},{160 + index % 2},120,1" for index in range(400)]
    gaze.write_text("\n".join(["timestamp_s,x_px,y_px,confidence", *rows]) + "\n")
    example, name = str(repo_dir / "examples" / "lsl_stream.py"), f"sam-edge-test-{time.time_ns()}"
    sender = subprocess.Popen(
        [sys.executable, example, "send", str(gaze), "--name", name], stdout=subprocess.PIPE, text=True
    )
    try:
        assert sender.stdout is not None
        assert "400 samples" in sender.stdout.readline()
        said = example_output("lsl_stream", "select", clip, "--name", name, "--runtime", "fake")
    finally:
        sender.kill()
        sender.wait()
        assert sender.stdout is not None
        sender.stdout.close()
    assert "75 frames" in said
    assert "object 1" in said


@pytest.fixture
def capture(repo_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A fake Pupil Capture that sends gaze and scene pictures; gives its port."""
    zmq = pytest.importorskip("zmq", reason="needs pyzmq: pip install 'sam-edge[gaze]'")
    msgpack = pytest.importorskip("msgpack", reason="needs msgpack: pip install 'sam-edge[gaze]'")
    context, ended = zmq.Context(), threading.Event()
    remote, bus = context.socket(zmq.REP), context.socket(zmq.PUB)
    port, bus_port = remote.bind_to_random_port("tcp://127.0.0.1"), bus.bind_to_random_port("tcp://127.0.0.1")
    image = cv2.circle(np.full((240, 320, 3), 40, np.uint8), (160, 120), 40, (60, 200, 220), -1)

    def serve() -> None:
        count = 0
        while not ended.is_set():
            if remote.poll(5):
                question = remote.recv_string()
                remote.send_string(str(bus_port) if question == "SUB_PORT" else repr(time.monotonic()))
            now = time.monotonic()
            datum = {
                "topic": "gaze.3d.01.",
                "confidence": 1.0,
                "norm_pos": [(160 + count % 2) / 320, 0.5],
                "timestamp": now,
                "base_data": [["pupil.0.3d", now], ["pupil.1.3d", now]],
            }
            bus.send_multipart([b"gaze.3d.01.", msgpack.packb(datum)])
            if count % 5 == 0:
                facts = {"width": 320, "height": 240, "index": count, "timestamp": now, "format": "bgr"}
                bus.send_multipart([b"frame.world", msgpack.packb(facts), image.tobytes()])
            count += 1

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield port
    ended.set()
    thread.join()
    remote.close(0)
    bus.close(0)
    context.term()


def test_pupil_core_selects_in_its_scene_video(example_output: Run, capture: int) -> None:
    said = example_output("pupil_core", "--port", capture, "--seconds", 2.5, "--runtime", "fake")
    assert "object 1" in said
    assert int(said.split(" frames, ")[1].split()[0]) > 50


def test_export_coreml_asks_for_what_it_is_told(
    repo_dir: Path,
    tmp_path: Path,
    load_script: Callable[[Path], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The export itself takes minutes and has tests of its own; here it leaves a file and says what it was asked."""
    pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
    example = load_script(repo_dir / "examples" / "export_coreml.py")
    asked: dict[str, object] = {}

    def export(model: object, out: Path, **options: object) -> SimpleNamespace:
        asked.update(options, model=model)
        (out / "encoder_448x224.mlpackage").mkdir(parents=True)
        (out / "encoder_448x224.mlpackage" / "weight.bin").write_bytes(bytes(2_500_000))
        return SimpleNamespace(precision=options["precision"])

    monkeypatch.setattr(example, "load_mobile_sam", lambda path: f"weights of {path}")
    monkeypatch.setattr(example, "export_coreml", export)
    arguments = ["export_coreml.py", "mobile_sam.pt", "--size", "448x224", "--precision", "palette6", "--out"]
    monkeypatch.setattr(sys, "argv", [*arguments, str(tmp_path / "bundle")])
    example.main()
    assert asked["sizes"] == [(224, 448)]
    assert asked["precision"] == "palette6"
    assert asked["model"] == "weights of mobile_sam.pt"
    assert "2.5 MB  encoder_448x224.mlpackage" in capsys.readouterr().out
