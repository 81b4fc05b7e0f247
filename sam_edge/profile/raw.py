"""An operator as an engine tells of it, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RawOperator:
    """One operator of a compiled graph."""

    name: str
    """As the engine names it."""
    kind: str
    """The engine's type."""
    dtype: str
    """Number format that it computes in."""
    time_us: float
    """Median time in an inference, microseconds."""
    inputs: tuple[Shape, ...]
    """Shapes that go in."""
    outputs: tuple[Shape, ...]
    """Shapes that come out."""
    bytes: float
    """Read and written at least."""
    kernel: str = ""
    """The engine's name of the code that runs; empty where it does not say."""
