"""Sections of a recording, as a user writes them: between times, or between events of the recording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sam_edge._aoi.looks import Section
from sam_edge.errors import InputError
from sam_edge.gaze.recordings.recorded_event import RecordedEvent
from sam_edge.gaze.samples import GazeSample

WHOLE = "recording"
"""Name of the section that is the whole recording."""


@dataclass(frozen=True, slots=True)
class SectionText:
    """`[NAME=]FROM..TO` in its parts; FROM and TO are seconds after the first frame, or names of events."""

    name: str
    begin: str
    end: str

    @classmethod
    def parse(cls, text: str) -> SectionText:
        """Take a section apart.

        Raises:
            InputError: the text is no section, or its times do not rise.
        """
        name, _, span = text.rpartition("=")
        begin, dots, end = (part.strip() for part in span.partition(".."))
        begin_s, end_s = _seconds(begin), _seconds(end)
        times = [second for second in (begin_s, end_s) if second is not None]
        known = all(math.isfinite(second) and 0 <= second < 1e9 for second in times)
        rising = begin_s is None or end_s is None or begin_s < end_s
        if not (dots and begin and end and known and rising):
            raise InputError(
                f"section: {text!r}; accepted: FROM..TO or NAME=FROM..TO, each of FROM and TO in seconds after the "
                "first frame or the name of an event, for example intro=0..12.5"
            )
        return cls(name or span, begin, end)

    def place(self, events: Sequence[RecordedEvent]) -> Section:
        """Return when it is: from the first event of the name, to the next one of the other name.

        Raises:
            InputError: the recording has no such event.
        """
        begin_ns = _time_of(self.begin, events)
        return Section(self.name, begin_ns, _time_of(self.end, events, after_ns=begin_ns))


def make_sections(
    texts: Sequence[str], samples: Sequence[GazeSample], events: Sequence[RecordedEvent], end_ns: int
) -> list[Section]:
    """Return the sections of a recording whose video ends at `end_ns`; without texts, the whole recording.

    Raises:
        InputError: a section is not accepted, has the name of another one, or has no gaze.
    """
    if not texts:
        return [Section(WHOLE, 0, end_ns)]
    sections: list[Section] = []
    for text in texts:
        section = SectionText.parse(text).place(events)
        if section.name in [other.name for other in sections]:
            raise InputError(f"section: {section.name!r} stands twice; give each another name")
        if not any(
            sample.valid and section.begin_ns <= sample.time_ns < section.end_ns for sample in samples
        ):
            raise InputError(
                f"section: {section.name!r}, from {section.begin_ns / 1e9:.3f} to {section.end_ns / 1e9:.3f} s, has no "
                f"valid gaze sample; the video ends at {end_ns / 1e9:.3f} s"
            )
        sections.append(section)
    return sections


def _seconds(text: str) -> float | None:
    """Return the number that a text is; None where it is a name."""
    try:
        return float(text)
    except ValueError:
        return None


def _time_of(text: str, events: Sequence[RecordedEvent], *, after_ns: int | None = None) -> int:
    seconds = _seconds(text)
    if seconds is not None:
        return round(seconds * 1e9)
    for event in events:
        if event.name == text and (after_ns is None or event.time_ns > after_ns):
            return event.time_ns
    known = ", ".join(dict.fromkeys(event.name for event in events)) or "none"
    later = "" if after_ns is None else f" after {after_ns / 1e9:.3f} s"
    raise InputError(f"section: no event {text!r}{later}; the recording's events are {known}")
