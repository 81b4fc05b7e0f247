"""What an eye does over time: the words of eye-movement research."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EventKind(str, Enum):
    """Kind of eye movement, as the human coders of Andersson et al. (2017) name them."""

    FIXATION = "fixation"
    """Gaze rests on a still object."""
    SACCADE = "saccade"
    """Gaze jumps from one place to another."""
    PURSUIT = "pursuit"
    """Gaze follows a moving object."""
    PSO = "pso"
    """Post-saccadic oscillation: the wobble at the end of a saccade."""
    BLINK = "blink"
    """The eye is shut, or the tracker lost it for about as long."""
    UNKNOWN = "unknown"
    """None of the above can be decided."""

    @property
    def stable(self) -> bool:
        """True for fixation and pursuit: the gaze rests on something."""
        return self in (EventKind.FIXATION, EventKind.PURSUIT)


class Phase(str, Enum):
    """Where in its life a fixation is when it is reported."""

    ONSET = "onset"
    """It has just begun; its kind is not final."""
    UPDATE = "update"
    """It goes on, with more samples."""
    END = "end"
    """It is over; its values are final."""


@dataclass(frozen=True, slots=True)
class LabelledSample:
    """The verdict on one sample."""

    time_ns: int
    """Host time of the sample."""
    kind: EventKind
    """What the eye was doing."""
    event_id: int
    """Number of the event the sample belongs to, rising from 0 within a detector's life."""


@dataclass(frozen=True, slots=True)
class Fixation:
    """A stretch of time in which gaze rests on something: a fixation, or a smooth pursuit of a moving thing."""

    event_id: int
    """Number of the event; the same over onset, updates and end."""
    kind: EventKind
    """`FIXATION` or `PURSUIT`, as far as is known at `time_ns`."""
    phase: Phase
    """Onset, update or end."""
    onset_ns: int
    """Host time of its first sample."""
    time_ns: int
    """Host time of the newest sample that counts."""
    x_px: float
    """Where the gaze rests, scene pixels: the centroid of a fixation, the newest robust position of a pursuit."""
    y_px: float
    """As `x_px`, vertical."""
    covariance_px2: tuple[float, float, float]
    """Scatter of its samples as (xx, xy, yy), square pixels."""
    sample_count: int
    """Valid samples so far."""

    @property
    def duration_ns(self) -> int:
        """Time from onset to the newest sample."""
        return self.time_ns - self.onset_ns

    @property
    def spread_px(self) -> float:
        """Root mean square distance of the samples from their centroid, pixels."""
        xx, _, yy = self.covariance_px2
        return float((xx + yy) ** 0.5)


@dataclass(frozen=True, slots=True)
class EventUpdate:
    """What one new sample made known."""

    labels: tuple[LabelledSample, ...] = ()
    """Final verdicts, in order of time. Each sample is labelled exactly once."""
    fixations: tuple[Fixation, ...] = ()
    """Onsets, updates and ends, in order of time."""
