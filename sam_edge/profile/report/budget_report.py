"""Budget advice for people: a table, a page with the Pareto plot, and JSON."""

from __future__ import annotations

from html import escape
from typing import Any

from sam_edge.profile.budget.search import REFRESH_MS, Advice, Candidate
from sam_edge.profile.measure.environment import Machine
from sam_edge.profile.report.html_report import card, document, failure, tabled
from sam_edge.profile.report.plots import Dot, dots, legend
from sam_edge.profile.report.report import plain
from sam_edge.profile.report.terminal import aligned, number

HEAD = ["", "encode", "decode", "IoU", "step mean", "step p95", ""]
KIND, SCHEMA = "sam-edge budget", 1


def advice_table(advice: Advice) -> str:
    """Write the advice as text for a terminal."""
    lines = list(aligned([["ms", *HEAD[1:]], *(cells(one, advice) for one in worth_showing(advice))]))
    lines += [f"{one.label}: FAILED {one.failed}" for one in advice.candidates if one.failed]
    return "\n".join([*lines, "", verdict(advice), *noise_notes(advice)])


def noise_notes(advice: Advice) -> list[str]:
    """Say that the machine was busy, if it was: what is slow for that reason may be the best when it is not."""
    note = advice.noise.note() if advice.noise is not None else None
    return [note] if note else []


def worth_showing(advice: Advice) -> list[Candidate]:
    """List what a person chooses among: what was timed, once a schedule where a session was played for it."""
    return [
        one
        for one in advice.candidates
        if not one.failed and one.encode_ms is not None and (one.waits or one.step_ms is not None)
    ]


def cells(one: Candidate, advice: Advice) -> list[str]:
    """Write a candidate."""
    marks = []
    if one in advice.front:
        marks.append("front")
    if one.step_ms is not None:
        marks.append("fits" if one.fits else "fits on average" if one.fits_on_average else "too slow")
    if one == advice.chosen:
        marks.append("CHOSEN")
    quality = "-" if one.iou is None else f"{one.iou:.3f}"
    return [
        one.label,
        number(one.encode_ms),
        number(one.decode_ms),
        quality,
        number(one.step_mean_ms),
        number(one.step_ms),
        ", ".join(marks),
    ]


def verdict(advice: Advice) -> str:
    """Say it in a sentence or two."""
    one = advice.chosen
    if one is None:
        return (
            f"nothing keeps to {advice.budget_ms:g} ms a step: allow more, or give engines and sizes that are faster "
            "(--runtime, --sizes)"
        )
    within = (
        f"a step of {number(one.step_ms)} ms (95th percentile of a real session) within {advice.budget_ms:g} ms"
        if one.fits
        else f"{number(one.step_mean_ms)} ms a step on average within {advice.budget_ms:g} ms, though a step that "
        f"encodes takes {number(one.step_ms)} ms: for what has a queue, as a file or a server has"
    )
    return (
        f"best within the budget: {one.label}: IoU {one.iou:.3f} on {advice.pictures} pictures, {within}. "
        "Differences of IoU below about twice the standard error "
        f"({one.quality.iou_error if one.quality else 0:.3f}) may be chance."
    )


def advice_page(advice: Advice, machine: Machine) -> str:
    """Write the advice as a page."""
    engines = list(dict.fromkeys(one.engine.label for one in advice.candidates))
    points = [
        Dot(
            x=one.frame_ms,
            y=one.iou,
            colour=engines.index(one.engine.label),
            radius=5,
            title=f"{one.label}: {number(one.frame_ms)} ms, IoU {one.iou:.3f}",
            name=f"{one.size[1]}x{one.size[0]}" if one in advice.front else "",
            ringed=advice.chosen is not None
            and (one.engine, one.size) == (advice.chosen.engine, advice.chosen.size),
        )
        for one in advice.candidates
        if one.waits and one.frame_ms is not None and one.iou is not None
    ]
    front = [(one.frame_ms or 0.0, one.iou or 0.0) for one in advice.front]
    plot = dots(
        points, x_unit="ms for a frame: encode and decode one point", y_unit="IoU with the truth", path=front,
        limit_x=advice.budget_ms,
    )  # fmt: skip
    rows = [["", *HEAD[1:]], *(cells(one, advice) for one in worth_showing(advice))]
    failed = "".join(failure(f"{one.label}: {one.failed}") for one in advice.candidates if one.failed)
    body = (
        f"<h1>Within {advice.budget_ms:g} ms a step, on {escape(machine.cpu)}</h1><p>{escape(verdict(advice))}</p>"
        + "".join(f'<p class="note">{escape(note)}</p>' for note in noise_notes(advice))
        + f'<p class="soft">{escape(HELP)}</p>'
        + card("time and quality", plot + legend(engines))
        + f'<div class="card" style="margin-top:16px">{tabled(rows)}</div>{failed}'
    )
    return document(f"sam-edge budget: {machine.cpu}", body)


HELP = (
    "Every dot is an engine at a size: the time from a frame to a mask of one point, and the mean IoU of that mask "
    "with the truth. The dashed line joins those that no other beats in both (Pareto); the red line is the budget; "
    "the ring is what was chosen. `every frame` waits for each frame's encoding. `one frame in n` encodes "
    "so many and carries the mask in between: chosen only where nothing keeps to the budget at every step, and its IoU "
    "is that of the frames that are encoded. `in a thread` encodes whole frames beside the camera and a close-up "
    "within each step; its IoU is that of the close-up, and it is tried for sizes "
    f"that a whole frame takes less than {REFRESH_MS:g} ms at."
)


def advice_json(advice: Advice, machine: Machine, *, complete: bool) -> dict[str, Any]:
    """Return plain values for `json.dumps`."""
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "complete": complete,
        "budget_ms": advice.budget_ms,
        "pictures": advice.pictures,
        "machine": plain(machine),
        "noise": plain(advice.noise),
        "candidates": [
            {
                **plain(one),
                "frame_ms": plain(one.frame_ms),
                "iou": plain(one.iou),
                "front": one in advice.front,
            }
            for one in advice.candidates
        ],
        "chosen": plain(advice.chosen),
    }
