"""A progress bar for the terminal, and a few plain lines for a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

_BAR_CELLS = 28
_REDRAW_S = 0.1
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Progress:
    """Says on stderr how far a piece of work is.

    On a terminal one line is redrawn at most ten times a second; elsewhere a plain line is written at every
    quarter (or, when the total is not known, whenever the count has doubled, from 100). A context manager.
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
        """Count up to `total` (None: not known) `unit`s of the work called `label`; `silent` writes nothing."""
        self._total = total if total and total > 0 else None
        self._label = label
        self._unit = unit
        self._stream = stream if stream is not None else sys.stderr
        self._silent = silent
        self._redraws = not silent and self._stream.isatty()
        self._done = 0
        self._note = ""
        self._start_s = time.monotonic()
        self._drawn_s = float("-inf")
        self._next_line = self._first_line()

    @property
    def done(self) -> int:
        """How much is done."""
        return self._done

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Say that `count` more are done; `note` is shown behind the numbers, on a terminal only."""
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
            self._stream.write(self._numbers() + "\n")
            self._stream.flush()
            self._next_line = self._line_after()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the line; the last state stays on the terminal."""
        if self._redraws and self._done:
            self._stream.write("\r" + self._bar() + "\x1b[K\n")
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

    def _numbers(self, *, label: bool = True) -> str:
        elapsed_s = max(time.monotonic() - self._start_s, 1e-9)
        parts = [f"{self._done} {self._unit}"]
        if self._total is not None:
            parts = [
                f"{min(100, 100 * self._done // self._total)}%",
                f"{self._done}/{self._total} {self._unit}",
            ]
        parts.append(f"{self._done / elapsed_s:.1f}/s")
        if self._redraws and self._note:
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
