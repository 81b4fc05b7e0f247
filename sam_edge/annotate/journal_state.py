"""What a journal's lines add up to: annotations, finished dwells and frames, and answers that can be undone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from sam_edge.annotate.annotation import Annotation
from sam_edge.errors import InputError


@dataclass(frozen=True, slots=True)
class AnsweredItem:
    """An answer of a person, with what is needed to undo it."""

    stage: str
    """The stage that asked."""
    item: str
    """The dwell, as `dwells.dwell_key` names it."""
    number: int = 0
    """Number of the accepted annotation; 0 for a rejection."""
    replaced: tuple[Annotation, ...] = ()
    """Annotations that it replaced."""


class JournalState:
    """The state after some lines of a journal. Each method applies one kind of line."""

    def __init__(self) -> None:
        """Begin without any line."""
        self.frames: dict[str, int] = {}
        """Numbers of the frames that ever had a mask, by their stems."""
        self.categories: list[str] = []
        """Every label ever used, in order of first use."""
        self.dwells_on_mask: dict[int, list[str]] = defaultdict(list)
        """Dwells that no person was asked about, by the number of the annotation that shows their object."""
        self.answers: list[AnsweredItem] = []
        """Answers that can be undone, the last one last."""
        self._annotations: dict[int, Annotation] = {}
        self._count = 0
        self._done: dict[str, set[str]] = defaultdict(set)
        self._ended: set[str] = set()

    @property
    def annotations(self) -> list[Annotation]:
        """Annotations that were not deleted or replaced, by number."""
        return sorted(self._annotations.values(), key=lambda annotation: annotation.number)

    def has(self, number: int) -> bool:
        """Say whether there is an annotation of this number."""
        return number in self._annotations

    def check_number(self, number: int) -> None:
        """Refuse a number without annotation.

        Raises:
            InputError: there is none.
        """
        if number not in self._annotations:
            raise InputError(
                f"mask: {number} is not there, or was deleted before; accepted: the number of an annotation"
            )

    def is_done(self, stage: str, item: str) -> bool:
        """Say whether a stage is done with a dwell or frame."""
        return stage in self._done.get(item, ())

    def is_done_in_any_stage(self, item: str) -> bool:
        """Say whether any stage is done with a dwell or frame."""
        return bool(self._done.get(item))

    def is_ended(self, stage: str) -> bool:
        """Say whether a person ended a stage."""
        return stage in self._ended

    def add(
        self,
        annotation: Annotation,
        *,
        answers: tuple[str, str] | None = None,
        replaces: tuple[int, ...] = (),
    ) -> Annotation:
        """Add an annotation, and return it with its number; `answers` is the stage and dwell that it answers."""
        self._count += 1
        numbered = replace(annotation, number=self._count)
        self._annotations[numbered.number] = numbered
        self.frames.setdefault(numbered.stem, numbered.index)
        self._remember_category(numbered.category)
        replaced = tuple(self._annotations.pop(number) for number in replaces if number in self._annotations)
        if answers is not None:
            self._done[answers[1]].add(answers[0])
            self.answers.append(AnsweredItem(*answers, numbered.number, replaced))
        return numbered

    def mark_done(
        self, stage: str, item: str, *, by_person: bool = False, shown_by: int | None = None
    ) -> None:
        """Mark a dwell or frame as done; `shown_by` is the annotation that shows the dwell's object."""
        self._done[item].add(stage)
        if shown_by is not None:
            self.dwells_on_mask[shown_by].append(item)
        if by_person:
            self.answers.append(AnsweredItem(stage, item))

    def undo(self) -> None:
        """Take back the last answer of a person, and its annotation."""
        last = self.answers.pop()
        self._done[last.item].discard(last.stage)
        self._ended.discard(last.stage)
        self._annotations.pop(last.number, None)
        self._annotations.update({annotation.number: annotation for annotation in last.replaced})

    def delete(self, number: int) -> None:
        """Delete an annotation."""
        del self._annotations[number]

    def relabel(self, number: int, category: str) -> None:
        """Change the label of an annotation."""
        self._annotations[number] = replace(self._annotations[number], category=category)
        self._remember_category(category)

    def end_stage(self, stage: str) -> None:
        """End a stage before all its dwells are done."""
        self._ended.add(stage)

    def _remember_category(self, category: str) -> None:
        if category not in self.categories:
            self.categories.append(category)
