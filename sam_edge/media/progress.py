"""A progress bar for the terminal, and a few plain lines for a log."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

from sam_edge.closing import Closing

_BAR_CELLS = 28
_REDRAW_S = 0.1
LINE_S = 15.0
"""Longest time between two lines in a log, seconds."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


class ProgressBar(Closing):
    """Shows the progress of a task on stderr. A context manager.

    On a terminal one line is redrawn at most ten times a second. Elsewhere a plain line is written at every quarter
    of the total; without a total, whenever the count has doubled, from 100; and in any case every 15 s, also while
    nothing advances, so that a log shows that the task goes on.
    """

    def __init__(
        self,
        total: int | None,
        *,
        label: str = "",
        unit: str = "frames",
        silent: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        """Begin at zero.

        Args:
            total: how many units there are; None: not known.
            label: name of the task.
            unit: plural noun of what is counted.
            silent: write nothing.
            stream: where to write; None: stderr.
        """
        self._total = total if total and total > 0 else None
        self._label = label
        self._unit = unit
        self._stream = stream if stream is not None else sys.stderr
        self._silent = silent
        self._redraws = not silent and self._stream.isatty()
        self._done = 0
        self._note = ""
        self._closed = False
        self._start_s = time.monotonic()
        self._drawn_s = float("-inf")
        self._next_line = self._first_line()
        self._line_s = self._start_s
        self._writing = threading.Lock()
        self._ended = threading.Event()
        if not silent and not self._redraws:
            threading.Thread(target=self._write_when_quiet, name="progress", daemon=True).start()

    @property
    def done(self) -> int:
        """Number of units that are done."""
        return self._done

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Count `count` more units as done; `note` is shown after the numbers, in a log in the lines of every 15 s."""
        self._done += count
        self._note = note
        if self._silent:
            return
        if self._redraws:
            now_s = time.monotonic()
            if now_s - self._drawn_s >= _REDRAW_S:
                self._drawn_s = now_s
                self._stream.write("\r" + self._bar() + "\x1b[K")
                self._stream.flush()
        elif self._done >= self._next_line:
            self._write_line(self._numbers())
            self._next_line = self._line_after()

    def restart(self, label: str) -> None:
        """End the line, and begin at zero again with another part of the task, which has the same total."""
        self._end_line()
        self._label = label
        self._done, self._note = 0, ""
        self._start_s = time.monotonic()
        self._drawn_s = float("-inf")
        self._next_line = self._first_line()

    def close(self) -> None:
        """End the line; the last state stays on the terminal. Closing twice is allowed."""
        self._ended.set()
        if not self._closed:
            self._closed = True
            self._end_line()

    def _end_line(self) -> None:
        if self._redraws and self._done:
            self._stream.write("\r" + self._bar() + "\x1b[K\n")
            self._stream.flush()

    def _write_when_quiet(self) -> None:
        """Write a line whenever none was written for 15 s, until the bar is closed."""
        wait_s = LINE_S
        while not self._ended.wait(wait_s):
            wait_s = self._line_s + LINE_S - time.monotonic()
            if wait_s <= 0:
                wait_s = LINE_S
                try:
                    self._write_line(self._numbers(timed=True))
                except (OSError, ValueError):
                    return  # the log is closed

    def _write_line(self, text: str) -> None:
        with self._writing:
            self._line_s = time.monotonic()
            self._stream.write(text + "\n")
            self._stream.flush()

    def _bar(self) -> str:
        if self._total is None:
            return self._numbers()
        eighths = round(8 * _BAR_CELLS * min(1.0, self._done / self._total))
        full, rest = divmod(eighths, 8)
        cells = "█" * full + (_EIGHTHS[rest] if rest else "")
        if not self._encodes(cells):
            cells = "#" * full
        return f"{self._label} |{cells:<{_BAR_CELLS}}| {self._numbers(label=False)}".lstrip()

    def _numbers(self, *, label: bool = True, timed: bool = False) -> str:
        elapsed_s = max(time.monotonic() - self._start_s, 1e-9)
        parts = [f"{self._done} {self._unit}"]
        if self._total is not None:
            parts = [
                f"{min(100, 100 * self._done // self._total)}%",
                f"{self._done}/{self._total} {self._unit}",
            ]
        parts.append(f"{self._done / elapsed_s:.1f}/s")
        if timed:
            parts.append(f"{elapsed_s:.0f} s")
        if (self._redraws or timed) and self._note:
            parts.append(self._note)
        return ((f"{self._label}: " if label and self._label else "") + "  ".join(parts)).strip()

    def _first_line(self) -> float:
        return 100.0 if self._total is None else self._total / 4

    def _line_after(self) -> float:
        if self._total is None:
            return 2.0 * self._next_line
        quarters = self._done * 4 // self._total + 1
        return quarters * self._total / 4 if quarters <= 4 else float("inf")

    def _encodes(self, text: str) -> bool:
        try:
            text.encode(self._stream.encoding or "utf-8")
        except UnicodeEncodeError:
            return False
        return True
