"""Sections of a recording, as a user writes them."""

from __future__ import annotations

from collections.abc import Sequence

from sam_edge._aoi.looks import Section
from sam_edge.errors import InputError
from sam_edge.gaze.samples import GazeSample

WHOLE = "recording"
"""Name of the section that is the whole recording."""


def parse_section(text: str) -> tuple[str, float, float]:
    """Return the name, the beginning and the end, in seconds, of `START..END` or `NAME=START..END`.

    Raises:
        InputError: the text is no section.
    """
    name, _, span = text.rpartition("=")
    begin, dots, end = span.partition("..")
    try:
        begin_s, end_s = float(begin), float(end)
    except ValueError:
        dots = ""
    if not dots or not 0 <= begin_s < end_s < 1e9:
        raise InputError(
            f"section: {text!r}; accepted: START..END in seconds after the first frame, or NAME=START..END, for "
            "example intro=0..12.5"
        )
    return name or span, begin_s, end_s


def make_sections(texts: Sequence[str], samples: Sequence[GazeSample], end_ns: int) -> list[Section]:
    """Return the sections of a recording whose video ends at `end_ns`; without texts, the whole recording.

    Raises:
        InputError: a section is not accepted, has the name of another one, or has no gaze.
    """
    if not texts:
        return [Section(WHOLE, 0, end_ns)]
    sections: list[Section] = []
    for name, begin_s, end_s in map(parse_section, texts):
        section = Section(name, round(begin_s * 1e9), round(end_s * 1e9))
        if name in [other.name for other in sections]:
            raise InputError(f"section: {name!r} stands twice; give each another name")
        if not any(
            sample.valid and section.begin_ns <= sample.time_ns < section.end_ns for sample in samples
        ):
            raise InputError(
                f"section: {name!r} has no valid gaze sample; the video ends at {end_ns / 1e9:.3f} s"
            )
        sections.append(section)
    return sections
