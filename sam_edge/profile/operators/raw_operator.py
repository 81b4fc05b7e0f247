"""Operators as an engine reports them, and the interface of runtimes that report them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from sam_edge.runtimes.base import Runtime

ENCODE, DECODE = "encode", "decode"
"""Roles of an inference."""
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RawOperator:
    """One operator of a compiled graph, as the engine reports it."""

    name: str
    """Name in the engine."""
    op_type: str
    """The engine's operator type."""
    dtype: str
    """Number format that it computes in."""
    time_us: float
    """Median duration in an inference, microseconds."""
    inputs: tuple[Shape, ...]
    """Shapes of the inputs."""
    outputs: tuple[Shape, ...]
    """Shapes of the outputs."""
    bytes: float
    """Minimum memory traffic, bytes."""
    kernel: str = ""
    """The engine's name of the kernel; empty where it is not reported."""


class ProfiledRuntime(Runtime):
    """A runtime that reports the operators of its inferences."""

    role = ENCODE
    """Role of the inferences from now on; the caller sets it before the first one of a role."""

    @abstractmethod
    def operators(self, role: str, iterations: int) -> list[RawOperator]:
        """Return the operators of the last `iterations` inferences of a role."""
