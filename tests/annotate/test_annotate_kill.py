"""A real server that is killed at random moments: nothing that it confirmed is lost, and it goes on exactly there."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the server: pip install 'sam-edge[serve]'")
pytest.importorskip("uvicorn", reason="needs the server: pip install 'sam-edge[serve]'")

from sam_edge.masks.coco import CocoDataset, read_coco
from sam_edge.masks.sa1b import read_sa1b

pytestmark = pytest.mark.slow

SLOW_S = 60.0
ROUNDS = 5
"""Times that the server is killed."""
DWELLS = 12


@dataclass
class Program:
    """`sam-edge annotate --web` in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        """Make one request; raises OSError or HTTPException where the server is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SLOW_S)
        try:
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def state(self) -> Any:
        """Wait until something is asked, or all is done."""
        end = time.monotonic() + SLOW_S
        while True:
            _, state = self.ask("/api/state")
            if not state["busy"]:
                return state
            assert time.monotonic() < end, "the server stays busy"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A ball that jumps from place to place every 0.4 s, and gaze that is there at once."""
    base, rng = tmp_path_factory.mktemp("film"), np.random.default_rng(4)
    folder = base / "film"
    folder.mkdir()
    rows = ["timestamp_s,x_px,y_px,confidence"]
    for rest in range(DWELLS):
        x, y = (30 + 70 * (rest % 3), 30 + 50 * (rest // 3 % 2))
        image = np.full((112, 224, 3), 50, np.uint8)
        cv2.circle(image, (x, y), 18, (40, 200, 230), -1)
        for frame in range(4):
            cv2.imwrite(str(folder / f"{4 * rest + frame:05d}.png"), image)
        for sample in range(80):
            dx, dy = rng.normal(0, 0.3, 2)
            rows.append(f"{0.4 * rest + sample / 200:.3f},{x + dx:.3f},{y + dy:.3f},1.0")
    gaze = base / "gaze.csv"
    gaze.write_text("\n".join(rows) + "\n")
    return folder, gaze


def command(film: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    """The command, with a stand-in for the model."""
    return [
        sys.executable, "-m", "sam_edge.cli", "annotate", str(film[0]), "--gaze", str(film[1]), "--fps", "10",
        "--out", str(out), "--web", "--port", "0", "--runtime", "fake", "--size", "224x224", "--stride", "12", *more,
    ]  # fmt: skip


@contextmanager
def running(film: tuple[Path, Path], out: Path, *more: str) -> Iterator[Program]:
    """Start the program, and kill it in the end if it still runs."""
    process = subprocess.Popen(
        command(film, out, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("page "), process.communicate()[1]
        yield Program(process, int(line.rstrip().rstrip("/").rpartition(":")[2]))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@dataclass
class Told:
    """What the server confirmed."""

    accepted: dict[float, str] = field(default_factory=dict)
    """Labels, by the time of the frame."""
    doubtful: tuple[float, str] | None = None
    """What was sent, and never confirmed."""


def answer(program: Program, told: Told, rng: random.Random, *, at_most: int = DWELLS) -> None:
    """Answer as fast as it goes."""
    while not (state := program.state())["finished"] and at_most > 0:
        question = state["proposal"]
        label = f"label {rng.randrange(10**6)}"
        when = float(question["timeS"])
        assert when not in told.accepted, "asked again"
        told.doubtful = (when, label)
        body = {"state": state["state"], "action": "accept", "category": label}
        status, _ = program.ask("/api/answer", body)
        assert status == 200
        told.accepted[when] = label
        told.doubtful = None
        at_most -= 1


def labels_by_time(coco: CocoDataset) -> dict[float, str]:
    names = {one.category_id: one.name for one in coco.categories}
    return {
        round(one.extra["provenance"]["time_ns"] / 1e9, 3): names[one.category_id]
        for one in coco.annotations
        if one.extra["provenance"]["decision"] == "accepted"
    }


def test_killed_at_random_moments_nothing_confirmed_is_lost(film: tuple[Path, Path], tmp_path: Path) -> None:
    rng, told, out = random.Random(7), Told(), tmp_path / "set"
    for _ in range(ROUNDS):
        with running(film, out) as program:
            answer(program, told, rng, at_most=rng.randrange(2))
            # Killed from another thread, whatever is being answered, written or made ready then.
            threading.Timer(rng.uniform(0.0, 0.03), program.process.kill).start()
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer(program, told, rng)
            assert program.process.wait(SLOW_S) == -signal.SIGKILL
            note_whether_taken(out, told)
    assert 0 < len(told.accepted) < DWELLS
    with running(film, out) as program:
        answer(program, told, rng)
        status, said = program.ask("/api/stop", {})
        assert (status, said["stopped"]) == (200, True)
        assert program.process.wait(SLOW_S) == 0
    assert len(told.accepted) == DWELLS
    coco = read_coco(out / "annotations.json")
    assert labels_by_time(coco) == told.accepted
    assert all(len(read_sa1b(path).masks) for path in (out / "sa1b").iterdir())


def note_whether_taken(out: Path, told: Told) -> None:
    """An answer that was sent and not confirmed may be there or not; its mask is whole or not there."""
    if told.doubtful is None:
        return
    when, label = told.doubtful
    lines = (out / "journal.jsonl").read_bytes().split(b"\n")[:-1]
    contents = [json.loads(line) for line in lines]
    if any(one["kind"] == "mask" and one["category"] == label for one in contents):
        told.accepted[when] = label
    told.doubtful = None


def test_one_server_on_a_data_set_and_on_a_port(film: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "set"
    with running(film, out) as program:
        second = subprocess.run(
            command(film, out), capture_output=True, text=True, timeout=SLOW_S, check=False
        )
        assert second.returncode == 2
        assert f"another program annotates it (process {program.process.pid})" in second.stderr
        third = subprocess.run(
            command(film, tmp_path / "other", "--port", str(program.port)),
            capture_output=True,
            text=True,
            timeout=SLOW_S,
            check=False,
        )
        assert third.returncode == 2
        assert "cannot be listened at" in third.stderr
        listening_at_loopback(program.port)


def listening_at_loopback(port: int) -> None:
    """See that nobody but this machine reaches a port, where Linux tells."""
    table = Path("/proc/net/tcp")
    if table.exists():
        local = [line.split()[1] for line in table.read_text().splitlines()[1:]]
        assert {one.partition(":")[0] for one in local if one.endswith(f":{port:04X}")} == {"0100007F"}


def test_terminated_it_writes_the_data_set(film: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "set"
    with running(film, out) as program:
        state = program.state()
        body = {"state": state["state"], "action": "accept", "category": "ball"}
        assert program.ask("/api/answer", body)[0] == 200
        program.process.send_signal(signal.SIGTERM)
        told, errors = program.process.communicate(timeout=SLOW_S)
        assert program.process.returncode == 0, errors
        assert "1 mask on 1 frame" in told
        assert "the same command resumes" in told
    assert list(labels_by_time(read_coco(out / "annotations.json")).values()) == ["ball"]


@pytest.fixture(scope="module")
def program(film: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One that is left running."""
    with running(film, tmp_path_factory.mktemp("out") / "set", "--stages", "assisted") as made:
        yield made


class TestAnswers:
    def test_an_answer_to_something_else_is_not_taken(self, program: Program) -> None:
        state = program.state()
        body = {"state": state["state"], "action": "accept"}
        assert program.ask("/api/answer", body)[0] == 200
        status, told = program.ask("/api/answer", body)
        assert status == 409
        assert "another proposal is open" in told["error"]["message"]
        assert program.state()["masks"] == state["masks"] + 1

    def test_what_is_not_accepted(self, program: Program) -> None:
        number = program.state()["state"]
        for body, named in (
            ([], "a JSON object"),
            ({"action": "accept"}, "state is missing"),
            ({"state": number, "action": "fly"}, "accept, reject, choose-mask"),
            ({"state": number, "action": "point", "x": 1}, "y is missing"),
            ({"state": number, "action": "point", "x": "a", "y": 1}, "finite number"),
            ({"state": number, "action": "point", "x": 5000, "y": 1}, "outside the frame"),
            ({"state": number, "action": "box", "box": [1, 2, 3]}, "4 finite numbers"),
            ({"state": number, "action": "choose-mask", "mask": 17}, "18 is not there"),
            ({"state": number, "action": "delete", "number": 3}, "3 is not there"),
            ({"state": number, "action": "accept", "category": "x" * 61}, "label"),
            ({"state": number, "action": "accept", "category": "x" * 70_000}, "more than 65536 bytes"),
        ):
            status, told = program.ask("/api/answer", body)
            assert status == 400, body
            assert named in told["error"]["message"]
        assert program.state()["state"] == number

    def test_foreign_pages_and_names_are_turned_away(self, program: Program) -> None:
        state = program.state()["state"]
        body = json.dumps({"state": state, "action": "accept"})
        for headers in ({"Origin": "https://example.org"}, {"Host": "example.org"}):
            connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=SLOW_S)
            connection.request("POST", "/api/answer", body, headers)
            assert connection.getresponse().status == 403
            connection.close()
        assert program.state()["state"] == state

    def test_the_page_and_its_headers(self, program: Program) -> None:
        for path, kind in (
            ("/", "text/html"),
            ("/assets/app.js", "text/javascript"),
            ("/shared/style.css", "text/css"),
            ("/shared/icon.svg", "image/svg+xml"),
            (f"/api/frame/{program.state()['proposal']['frame']}.jpg", "image/jpeg"),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=SLOW_S)
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, path
            assert answer.getheader("content-type", "").startswith(kind)
            assert "default-src 'none'" in answer.getheader("content-security-policy", "")
            connection.close()
        for path in ("/api/frame/9999.jpg", "/shared/app.js", "/assets/..%2fweb.py"):
            connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=SLOW_S)
            connection.request("GET", path)
            assert connection.getresponse().status == 404
            connection.close()
