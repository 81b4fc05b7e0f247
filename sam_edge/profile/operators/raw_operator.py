"""An operator as an engine tells of it, before anything is made of it, and what tells of it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from sam_edge.runtimes.base import Runtime

ENCODE, DECODE = "encode", "decode"
"""Roles: what an inference is for."""
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


class CountingRuntime(Runtime):
    """A runtime that knows the operators of its inferences."""

    role = ENCODE
    """What the inferences are for that run now: set by who calls, before the first one."""

    @abstractmethod
    def operators(self, role: str, runs: int) -> list[RawOperator]:
        """Return the operators of the last `runs` inferences of a role."""
