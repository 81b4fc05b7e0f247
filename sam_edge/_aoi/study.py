"""What was evaluated, and how: the facts that stand next to the tables, as `aoi.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sam_edge._aoi.areas import Area
from sam_edge._aoi.looks import LookOptions, Section
from sam_edge.errors import InputError

FILE_NAME = "aoi.json"
KIND, SCHEMA = "sam-edge aoi", 1


@dataclass(frozen=True, slots=True)
class Study:
    """A recording, its sections, and what counts as a look."""

    recording: str
    """Name of the recording."""
    frame_size: tuple[int, int]
    """(height, width) of its video's frames, pixels."""
    duration_ns: int
    """When its last frame ends, nanoseconds after the first one."""
    sections: tuple[Section, ...]
    """Parts of the recording that have metrics of their own."""
    options: LookOptions
    """What counts as a look."""
    warnings: tuple[str, ...] = ()
    """What is doubtful about the recording."""
    areas: tuple[Area, ...] = ()
    """AOIs that were defined beforehand."""

    def write(self, folder: Path) -> None:
        """Write `aoi.json` into a folder."""
        facts = {"kind": KIND, "schema": SCHEMA, **asdict(self)}
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Study:
        """Read `aoi.json` of a folder.

        Raises:
            InputError: it is missing or damaged.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            raise InputError(f"{folder}: holds no {FILE_NAME}; give a folder that `sam-edge aoi run` wrote")
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts["kind"] != KIND or facts["schema"] != SCHEMA:
                raise ValueError(f"kind {facts['kind']!r}, schema {facts['schema']!r}")
            return _from_facts(facts)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: is damaged ({error!r}); run `sam-edge aoi run` again") from error


def _from_facts(facts: Mapping[str, Any]) -> Study:
    height, width = facts["frame_size"]
    return Study(
        str(facts["recording"]),
        (int(height), int(width)),
        int(facts["duration_ns"]),
        tuple(Section(**section) for section in facts["sections"]),
        LookOptions(**facts["options"]),
        tuple(map(str, facts["warnings"])),
        tuple(_to_area(**area) for area in facts.get("areas", ())),
    )


def _to_area(number: int, name: str, visible_ns: list[list[int]]) -> Area:
    return Area(int(number), str(name), tuple((int(begin), int(end)) for begin, end in visible_ns))
