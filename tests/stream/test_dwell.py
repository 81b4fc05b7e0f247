"""Fixations that follow each other closely are one rest."""

from __future__ import annotations

from sam_edge.gaze.events import EventKind, Fixation, Phase
from sam_edge.stream.dwell import DwellMerger

MS = 1_000_000


def piece(
    event_id: int, onset_ms: float, end_ms: float, x_px: float, phase: Phase = Phase.UPDATE
) -> Fixation:
    return Fixation(
        event_id,
        EventKind.FIXATION,
        phase,
        int(onset_ms * MS),
        int(end_ms * MS),
        x_px,
        50.0,
        (1.0, 0.0, 1.0),
        5,
    )


def test_pieces_of_a_pursuit_are_one_rest() -> None:
    merger = DwellMerger(px_per_deg=15)
    rests = [merger.update(piece(2 * i, 40 * i, 40 * i + 25, 100 + 12 * i)) for i in range(6)]
    assert {rest.event_id for rest in rests} == {0}
    assert rests[-1].onset_ns == 0
    assert rests[-1].x_px == 160
    assert rests[-1].duration_ns == 225 * MS


def test_a_jump_begins_a_new_rest() -> None:
    merger = DwellMerger(px_per_deg=15)
    merger.update(piece(0, 0, 200, 100))
    assert merger.update(piece(2, 240, 260, 131)).event_id == 1


def test_a_long_gap_begins_a_new_rest() -> None:
    merger = DwellMerger(px_per_deg=15)
    merger.update(piece(0, 0, 200, 100))
    after = merger.update(piece(2, 301, 320, 100))
    assert after.event_id == 1
    assert after.onset_ns == 301 * MS


def test_reports_of_one_piece_keep_its_onset_and_count_once() -> None:
    merger = DwellMerger(px_per_deg=15)
    first = merger.update(piece(0, 0, 20, 100, Phase.ONSET))
    later = merger.update(piece(0, 0, 90, 101))
    assert (first.onset_ns, later.onset_ns) == (0, 0)
    assert later.sample_count == 5
    assert merger.update(piece(4, 120, 140, 102)).sample_count == 10


def test_time_that_runs_backwards_begins_a_new_rest() -> None:
    merger = DwellMerger(px_per_deg=15)
    merger.update(piece(0, 500, 600, 100))
    assert merger.update(piece(1, 100, 120, 100)).event_id == 1
