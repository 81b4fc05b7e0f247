"""JSON files of annotations: read with every value checked, written whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically


def read_content(path: str | Path) -> object:
    """Read a JSON file, in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        InputError: it cannot be read, or is not JSON.
    """
    path = Path(path)
    try:
        content: object = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); it was cut off, or is another kind of file") from error
    return content


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write an object as JSON; nothing half-written ever stands under `path`.

    Raises:
        InputError: it holds something that JSON has no word for.
        MediaError: the file cannot be written.
    """
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be written as JSON ({error}); give finite numbers and text"
        ) from error
    with write_atomically(Path(path)) as part:
        part.write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a JSON file, and how to call it in a message."""

    values: Mapping[str, Any]
    """What it holds."""
    name: str
    """File, list and number, for messages."""

    @classmethod
    def of(cls, value: object, name: str) -> Entry:
        """Take a JSON value; raises `InputError` when it is no object."""
        if not isinstance(value, Mapping):
            raise InputError(f"{name}: {short(value)}; accepted: a JSON object")
        return cls(value, name)

    def whole(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, value, "a whole number")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Return a finite number."""
        value = self._get(key, default)
        if not is_number(value):
            raise self.error(key, value, "a finite number")
        return float(value)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self.error(key, value, "a text")
        return value

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return `count` finite numbers."""
        value = self._get(key, None)
        if not isinstance(value, list) or len(value) != count or not all(map(is_number, value)):
            raise self.error(key, value, f"a list of {count} finite numbers")
        return tuple(float(number) for number in value)

    def entries(self, key: str) -> list[Entry]:
        """Return a list of objects."""
        value = self._get(key, None)
        if not isinstance(value, list):
            raise self.error(key, value, "a list of objects")
        return [Entry.of(item, f"{self.name}: {key}[{index}]") for index, item in enumerate(value)]

    def entry(self, key: str) -> Entry:
        """Return an object."""
        return Entry.of(self._get(key, None), f"{self.name}: {key}")

    def size(self) -> tuple[int, int]:
        """Return (height, width) from the keys `height` and `width`."""
        height, width = self.whole("height"), self.whole("width")
        if height < 1 or width < 1:
            raise InputError(f"{self.name}: {width}x{height} pixels; accepted: 1 or more each")
        return height, width

    def box(self, key: str) -> tuple[float, float, float, float]:
        """Return a box x, y, width, height as x0, y0, x1, y1."""
        x, y, width, height = self.numbers(key, 4)
        if width < 0 or height < 0:
            raise self.error(key, [x, y, width, height], "x, y, and a width and height of 0 or more")
        return x, y, x + width, y + height

    def rest(self, *known: str) -> dict[str, Any]:
        """Return what is not under the `known` keys."""
        return {key: value for key, value in self.values.items() if key not in known}

    def error(self, key: str, value: object, accepted: str) -> InputError:
        """Return the error that says what is wrong with the value under a key."""
        return InputError(f"{self.name}: {key} is {short(value)}; accepted: {accepted}")

    def _get(self, key: str, default: object) -> Any:
        value = self.values.get(key, default)
        if value is None:
            raise InputError(f"{self.name}: {key} is missing")
        return value


def plain_box(box: Sequence[float]) -> list[float]:
    """Return a box x0, y0, x1, y1 as files hold it: x, y, width, height."""
    x0, y0, x1, y1 = (plain(side) for side in box)
    return [x0, y0, x1 - x0, y1 - y0]


def plain(value: float) -> float:
    """Return a number, whole ones without a fraction, so that files stay short and are the same again."""
    return int(value) if float(value).is_integer() else float(value)


def is_number(value: object) -> bool:
    """Say whether a JSON value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of floats
        return False


def short(value: object) -> str:
    """Return a value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
