"""The memory: what it keeps, what it forgets, and what it tells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import InputError
from sam_edge.identity import ObjectEvent, ObjectMemory, ObjectsKeptError, final_numbers
from sam_edge.identity.appearance import COLOURS, Appearance
from sam_edge.identity.views import SHORTLIST, VIEWS, ViewStore, group_bins

Look = Callable[..., Appearance]
BOX = (10.0, 10.0, 50.0, 40.0)


def filled(capacity: int) -> ObjectMemory:
    """A full memory; the first object has been looked at longest."""
    memory = ObjectMemory(capacity)
    for index in range(capacity):
        memory.see(memory.add(index), index, BOX, dwell_ms=1000.0 - index)
    memory.take_events()
    return memory


def test_the_object_with_the_least_dwell_is_forgotten_and_said_so() -> None:
    memory = filled(4)
    assert memory.add(10) == 5
    assert [item.object_id for item in memory.objects] == [1, 2, 3, 5]
    assert memory.take_events() == (ObjectEvent("forgotten", 10, 4), ObjectEvent("new", 10, 5))


def test_pinned_and_labelled_objects_stay() -> None:
    memory = filled(4)
    memory.pin(4)
    memory.rename(3, "cup", 9)
    memory.take_events()
    memory.add(10)
    assert [item.object_id for item in memory.objects] == [1, 3, 4, 5]
    memory.pin(4, pinned=False)
    memory.see(5, 11, BOX, dwell_ms=2000)
    memory.add(12)
    assert [item.object_id for item in memory.objects] == [1, 3, 5, 6]


def test_one_place_is_left_for_what_is_looked_at_next() -> None:
    memory = filled(3)
    memory.pin(1)
    memory.rename(2, "cup", 9)
    with pytest.raises(
        ObjectsKeptError, match=r"2 are pinned or labelled, of 3 .*at most 2; unpin an object"
    ):
        memory.pin(3)
    with pytest.raises(ObjectsKeptError, match="objects: 2 are"):
        memory.rename(3, "door", 9)
    # What is kept already may be pinned and labelled as well.
    memory.rename(1, "table", 9)
    memory.pin(2)
    assert [memory.add(10), memory.add(11)] == [4, 5]
    assert [item.object_id for item in memory.objects] == [1, 2, 5]
    memory.rename(1, None, 12)
    memory.pin(1, pinned=False)
    memory.pin(5)
    assert [item.pinned for item in memory.objects] == [False, True, True]


def test_merged_objects_are_one() -> None:
    memory = filled(3)
    memory.rename(2, "door", 5)
    memory.visit(2, 5)
    memory.see(2, 50, (1.0, 2.0, 3.0, 4.0))
    memory.take_events()
    memory.merge(1, 2, 60)
    first, third = memory.objects
    assert (first.object_id, first.label, first.dwell_ms) == (1, "door", 1999)
    assert (first.first_seen_ns, first.last_seen_ns, first.box) == (0, 50, (1, 2, 3, 4))
    assert third.object_id == 3
    assert memory.take_events() == (ObjectEvent("merged", 60, 1, 2, "door"),)
    assert 2 not in memory


def test_what_is_not_known_is_an_error_that_says_what_is() -> None:
    memory = filled(2)
    with pytest.raises(InputError, match="object_id: 7 is not a known object; known: 1, 2"):
        memory.rename(7, "cup", 0)
    with pytest.raises(InputError, match="other_id: 9 is not"):
        memory.merge(1, 9, 0)
    with pytest.raises(InputError, match="other_id: 1 is keep_id as well"):
        memory.merge(1, 1, 0)
    memory.forget(1, 0)
    with pytest.raises(InputError, match="known: 2"):
        memory.forget(1, 0)


def test_final_numbers_follow_chains_of_mergers() -> None:
    events = [
        ObjectEvent("new", 0, 1),
        ObjectEvent("merged", 1, 3, 4),
        ObjectEvent("merged", 2, 1, 3),
        ObjectEvent("merged", 3, 1, 2),
    ]
    assert final_numbers(events) == {4: 1, 3: 1, 2: 1}
    assert final_numbers([]) == {}


def test_the_same_object_is_likelier_than_others(look: Look) -> None:
    store = ViewStore()
    for thing in range(20):
        store.add(thing, look(thing), thing)
    centre = look(100).texture * 0
    for thing in range(20):
        odds = store.compare(look(thing, frame=1), centre)
        assert max(odds, key=lambda number: odds[number]) == thing
        assert odds[thing] > 3
        assert all(value < 0 for number, value in odds.items() if number != thing)


def test_appearances_are_few_and_different(look: Look) -> None:
    store = ViewStore()
    for frame in range(200):
        store.add(1, look(1, frame, change=0.02), frame)
    assert store.count(1) < VIEWS
    for frame in range(200):
        store.add(1, look(frame), frame)
    assert store.count(1) == VIEWS


def test_of_many_objects_only_those_that_can_be_alike_are_compared(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, centre = ViewStore(), look(0).texture * 0
    for thing in range(3 * SHORTLIST):
        store.add(thing, look(thing), thing)
    probe = look(5, frame=1)
    short = store.compare(probe, centre, always=7)
    monkeypatch.setattr("sam_edge.identity.views.SHORTLIST", 10_000)
    full = store.compare(probe, centre)
    assert len(full) == 3 * SHORTLIST
    assert SHORTLIST <= len(short) <= SHORTLIST + 1
    assert 7 in short
    assert max(short, key=lambda number: short[number]) == max(full, key=lambda number: full[number]) == 5
    assert short == pytest.approx({number: full[number] for number in short}, abs=1e-4)


@given(st.lists(st.tuples(st.integers(0, COLOURS - 1), st.integers(0, COLOURS - 1)), min_size=1, max_size=30))
def test_coarse_histograms_are_never_less_alike(pixels: list[tuple[int, int]]) -> None:
    first, second = (
        np.sqrt(np.bincount(bins, minlength=COLOURS) / len(pixels)).astype(np.float32)
        for bins in zip(*pixels, strict=True)
    )
    assert group_bins(first) @ group_bins(second) >= first @ second - 1e-5
    assert np.linalg.norm(group_bins(first)) == pytest.approx(1, abs=1e-5)


def test_only_appearances_from_before_a_time_count(look: Look) -> None:
    store = ViewStore()
    centre = look(1).texture * 0
    store.add(1, look(1), 100)
    store.add(2, look(2), 300)
    assert set(store.compare(look(1), centre, before_ns=200)) == {1}
    store.split(1, 3, 50)
    assert set(store.compare(look(1), centre)) == {2, 3}
    store.merge(2, 3)
    assert store.compare(look(1), centre)[2] > 3
    store.drop(2)
    assert store.compare(look(1), centre) == {}
