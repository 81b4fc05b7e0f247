"""Labels for a whole recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sam_edge.gaze.events.detector import EventDetector
from sam_edge.gaze.events.smoothing import smooth_kinds
from sam_edge.gaze.events.types import LabelledSample
from sam_edge.gaze.samples import GazeSample


def label_recording(
    samples: Iterable[GazeSample], *, px_per_deg: float, rate_hz: float | None = None
) -> list[LabelledSample]:
    """Label a recording exactly as the live detector would: one label a sample, in the samples' order.

    `smooth_kinds` afterwards tells fixation from pursuit better, with the whole recording in view.

    Args:
        samples: the recording, in the order in which it was made.
        px_per_deg: scene pixels per degree of visual angle, positive.
        rate_hz: the recording's rate where it is known; None to learn it from the samples.

    Raises:
        InputError: when an argument is out of its range.
    """
    detector = EventDetector(px_per_deg=px_per_deg, rate_hz=rate_hz)
    labels: list[LabelledSample] = []
    for sample in samples:
        labels.extend(detector.update(sample).labels)
    labels.extend(detector.flush().labels)
    return labels


def label_whole_recording(samples: Sequence[GazeSample], *, px_per_deg: float) -> list[LabelledSample]:
    """Label a recording with all of it in view: `label_recording`, and then `smooth_kinds`.

    Raises:
        InputError: `px_per_deg` is not positive.
    """
    labels = label_recording(samples, px_per_deg=px_per_deg)
    return smooth_kinds(samples, labels, px_per_deg=px_per_deg)
