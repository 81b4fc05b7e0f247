"""What the sequential and the live schedule have in common."""

from __future__ import annotations

from typing import Protocol

from sam_edge.stream.selection import Selection
from sam_edge.stream.worker_jobs import SessionFrame


class Schedule(Protocol):
    """Decides what a step computes, and what it waits for."""

    def step(self, frame: SessionFrame, stages_ms: dict[str, float]) -> Selection:
        """Take the next frame; return what is selected on it.

        Args:
            frame: the frame.
            stages_ms: receives the milliseconds of each stage.

        Raises:
            EngineError: the engine failed. The next frame can be stepped.
        """

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until the schedule's threads have nothing to do; return whether that came true in time."""

    def forget(self) -> None:
        """Let go of the target: it was unpinned. Any thread may call."""

    def close(self) -> None:
        """End the schedule's threads after what they do now. Closing twice is allowed."""
