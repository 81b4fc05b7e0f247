"""Checked values from untrusted messages: numbers, vectors, times, and JSON of bounded size."""

from __future__ import annotations

import json
import math

from sam_edge.errors import GazeDataError

_INT64_LIMIT = 2**63


def number(value: object, name: str) -> float:
    """Return a number as float; NaN stays NaN.

    Raises:
        GazeDataError: it is not a number, infinite or too large.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise GazeDataError(f"{name} is a {type(value).__name__}; a number is accepted")
    try:
        result = float(value)
    except OverflowError as error:
        raise GazeDataError(f"{name} is too large for a number") from error
    if math.isinf(result):
        raise GazeDataError(f"{name} is infinite; finite numbers and NaN are accepted")
    return result


def finite(value: object, name: str) -> float:
    """Return a finite number as float. Raises `GazeDataError`, also for NaN."""
    result = number(value, name)
    if math.isnan(result):
        raise GazeDataError(f"{name} is NaN; a finite number is accepted")
    return result


def numbers(value: object, count: int, name: str) -> tuple[float, ...]:
    """Return a list of exactly `count` numbers; NaN stays NaN."""
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise GazeDataError(f"{name} is not a list of {count} numbers")
    return tuple(number(item, name) for item in value)


def xyz(value: object, name: str) -> tuple[float, float, float]:
    """Return three numbers; NaN stays NaN."""
    x, y, z = numbers(value, 3, name)
    return x, y, z


def int64(value: object, name: str) -> int:
    """Return a whole number that fits a signed 64-bit integer."""
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64_LIMIT <= value < _INT64_LIMIT:
        raise GazeDataError(f"{name} is not a whole number of at most 64 bits")
    return value


def nanoseconds(seconds: object, name: str) -> int:
    """Return seconds as whole nanoseconds that fit a signed 64-bit integer."""
    value = finite(seconds, name)
    if abs(value) >= 9.2e9:
        raise GazeDataError(f"{name} is {value:g} s; accepted are times within 292 years of zero")
    return round(value * 1e9)


def clamp01(value: float) -> float:
    """Return `value` limited to 0..1; NaN becomes 0."""
    return 0.0 if math.isnan(value) else min(1.0, max(0.0, value))


def json_object(data: bytes | str, *, limit: int, what: str) -> dict[str, object]:
    """Parse a JSON object of at most `limit` bytes.

    Raises:
        GazeDataError: it is too long, not JSON, nested too deeply, or not an object.
    """
    if len(data) > limit:
        raise GazeDataError(f"{what} is {len(data)} bytes long; at most {limit} are accepted")
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise GazeDataError(f"{what} is not JSON: {str(error)[:80]}") from error
    if not isinstance(parsed, dict):
        raise GazeDataError(f"{what} is a JSON {type(parsed).__name__}; an object is accepted")
    return parsed


def unit_vector(vector: tuple[float, float, float]) -> tuple[float, float, float] | None:
    """Return the vector at length 1; None when it has no direction."""
    length = (
        math.sqrt(sum(component * component for component in vector))
        if all(map(math.isfinite, vector))
        else 0.0
    )
    if not 1e-9 < length < 1e18:
        return None
    return vector[0] / length, vector[1] / length, vector[2] / length
