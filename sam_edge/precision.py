"""Names of number formats, the same ones wherever a format is chosen, reported or written."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from sam_edge.errors import InputError

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""Number formats of arithmetic: accepted when a model is opened, and when it is exported."""
WEIGHT_PRECISIONS = ("int8_weights", "palette6", "palette4")
"""Formats in which only weights are stored: 8-bit integers, or indices into tables of 64 or 16 values. Chosen at
export; the arithmetic is fp16."""
CALIBRATED = ("int8", "int8-nncf")
"""Precisions that an export fits on calibration images. The second is `int8` as NNCF quantizes it."""
EXPORT_PRECISIONS = (*PRECISIONS, "int8-nncf", *WEIGHT_PRECISIONS)
"""What `sam-edge export` accepts; each target takes some of them."""
FORMER_NAMES = {
    "f32": "fp32",
    "f16": "fp16",
    "w8": "int8_weights",
    "p6": "palette6",
    "p4": "palette4",
    "w8a8": "int8",
}
"""Names of version 0.1, and today's. They are accepted with a warning for one release."""


def current_name(precision: str) -> str:
    """Return today's name of a precision that a file of an earlier version holds.

    Args:
        precision: a name, or several joined by `+`, as `Runtime.precision` has them (`int8+f16`). Names that are not
            in `FORMER_NAMES` stay as they are.
    """
    return "+".join(FORMER_NAMES.get(name, name) for name in precision.split("+"))


def replace_former_name(precision: str, *, argument: str = "precision", stacklevel: int = 3) -> str:
    """Return today's name of a precision that a caller chose, with a `DeprecationWarning` if the name is a former one.

    Args:
        precision: the chosen name.
        argument: what the warning calls it.
        stacklevel: whose line the warning shows, as `warnings.warn` counts; 3 is the caller of the function that
            calls this one.
    """
    name = FORMER_NAMES.get(precision, precision)
    if name != precision:
        warnings.warn(
            f"{argument}: {precision!r} is now called {name!r}; the next release refuses the former name",
            DeprecationWarning,
            stacklevel=stacklevel,
        )
    return name


def check_precision(
    precision: str, *, accepted: Sequence[str] = PRECISIONS, argument: str = "precision", stacklevel: int = 3
) -> str:
    """Return today's name of a precision that a caller chose.

    Args:
        precision: the chosen name.
        accepted: names that are accepted.
        argument: what the warning or the error calls it.
        stacklevel: see `replace_former_name`.

    Raises:
        InputError: the name is not one of `accepted`.
    """
    name = replace_former_name(precision, argument=argument, stacklevel=stacklevel + 1)
    if name not in accepted:
        raise InputError(f"{argument}: {precision!r} is not accepted; accepted: {', '.join(accepted)}")
    return name
