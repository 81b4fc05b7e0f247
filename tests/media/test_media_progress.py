"""The progress bar on a terminal, in a log, and when nobody wants it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import pytest

from sam_edge.media.progress import LINE_S, ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_at_every_quarter() -> None:
    log = io.StringIO()
    with ProgressBar(132, label="track", stream=log) as progress:
        for _ in range(132):
            progress.advance(note="not for logs")
    lines = log.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["25%", "50%", "75%", "100%"]
    assert all(line.startswith("track: ") and "/132 frames" in line for line in lines)
    assert "note" not in log.getvalue()
    assert "\r" not in log.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_second_part_begins_at_zero(stream: Callable[[], io.StringIO]) -> None:
    shown = stream()
    with ProgressBar(8, label="play", stream=shown) as progress:
        progress.advance(8)
        progress.restart("write")
        progress.advance(2)
    last = [line.rpartition("\r")[2] for line in shown.getvalue().strip("\n").split("\n")]
    assert last[-2].startswith("play")
    assert "8/8 frames" in last[-2]
    assert last[-1].startswith("write")
    assert "2/8 frames" in last[-1]


def test_big_steps_give_one_line_each() -> None:
    log = io.StringIO()
    with ProgressBar(4, stream=log) as progress:
        progress.advance(3)
        progress.advance(1)
    assert [line.split()[0] for line in log.getvalue().splitlines()] == ["75%", "100%"]


def test_more_than_the_total_does_no_harm() -> None:
    log = io.StringIO()
    with ProgressBar(4, stream=log) as progress:
        for _ in range(9):
            progress.advance()
    assert len(log.getvalue().splitlines()) == 4
    assert progress.done == 9


@pytest.mark.parametrize("total", [None, 0])
def test_without_a_total_lines_come_at_doubling_counts(total: int | None) -> None:
    log = io.StringIO()
    with ProgressBar(total, stream=log) as progress:
        for _ in range(850):
            progress.advance()
    assert [line.split()[0] for line in log.getvalue().splitlines()] == ["100", "200", "400", "800"]


def test_a_terminal_gets_one_line_that_is_redrawn() -> None:
    terminal = Terminal()
    with ProgressBar(50, label="track", stream=terminal) as progress:
        for number in range(50):
            progress.advance(note=f"{number} ms")
    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    last = text.split("\r")[-1]
    assert "100%" in last
    assert "50/50 frames" in last
    assert "49 ms" in last
    assert "█" * 28 in last


def test_a_terminal_without_a_total_counts() -> None:
    terminal = Terminal()
    with ProgressBar(None, stream=terminal) as progress:
        progress.advance(7)
    assert "7 frames" in terminal.getvalue()


def test_a_terminal_that_knows_only_ascii_gets_ascii() -> None:
    raw = io.BytesIO()

    class Old(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    terminal = Old(raw, encoding="ascii")
    with ProgressBar(2, stream=terminal) as progress:
        progress.advance()
        progress.advance()
    terminal.flush()
    assert b"|" + b"#" * 28 + b"|" in raw.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_silent_says_nothing(stream: io.StringIO) -> None:
    with ProgressBar(10, silent=True, stream=stream) as progress:
        progress.advance(10)
    assert stream.getvalue() == ""
    assert progress.done == 10


def test_an_exception_still_ends_the_line() -> None:
    terminal = Terminal()

    def work() -> None:
        with ProgressBar(10, stream=terminal) as progress:
            progress.advance()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert terminal.getvalue().endswith("\n")


def test_stderr_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(1) as progress:
        progress.advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "100%" in captured.err


def test_a_log_gets_a_line_every_15_s_while_the_work_advances_slowly_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sam_edge.media.progress.LINE_S", 0.05)
    log = io.StringIO()
    with ProgressBar(1000, label="track", stream=log) as progress:
        time.sleep(0.3)
        progress.advance(note="encode")
        time.sleep(0.3)
    lines = log.getvalue().splitlines()
    assert 4 <= len(lines) <= 12
    assert lines[0].startswith("track: 0%  0/1000 frames")
    assert lines[-1].startswith("track: 0%  1/1000 frames")
    assert lines[-1].endswith("encode")
    time.sleep(0.15)
    assert log.getvalue().splitlines() == lines, "a closed bar writes nothing"


def test_quick_work_without_a_total_writes_nothing() -> None:
    log = io.StringIO()
    with ProgressBar(None, label="gaze events", stream=log):
        pass
    assert log.getvalue() == ""


def test_no_line_of_a_log_is_later_than_15_s() -> None:
    assert LINE_S == 15.0


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_only_a_log_has_a_thread(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self.name))
    with ProgressBar(3, stream=stream), ProgressBar(3, stream=stream, silent=True):
        pass
    assert started == ([] if stream.isatty() else ["progress"])
