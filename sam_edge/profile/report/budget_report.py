"""A recommendation as a table, as an HTML page with a Pareto plot, and as JSON."""

from __future__ import annotations

from html import escape
from typing import Any

from sam_edge.profile.budget.candidate import BudgetCandidate, Recommendation
from sam_edge.profile.budget.ranking import MAX_LIVE_FRAME_MS
from sam_edge.profile.measure.environment import Machine
from sam_edge.profile.report.html import html_card, html_document, html_error, html_table
from sam_edge.profile.report.plots import Dot, draw_scatter
from sam_edge.profile.report.report import to_plain
from sam_edge.profile.report.svg import svg_legend
from sam_edge.profile.report.text_format import align_columns, format_number

COLUMNS = ["encode", "decode", "IoU", "step mean", "step p95", ""]
KIND, SCHEMA = "sam-edge budget", 2
HELP = (
    "Every dot is an engine at an input size: the latency from a frame to the mask of one point, and the mean IoU of "
    "that mask with the ground truth. The dashed line is the Pareto front; the red line is the budget; the ring marks "
    "the recommendation. Schedules: `every frame` waits for the encoding of each frame. `one frame in n` encodes every "
    "n-th frame and propagates the mask in between; it is chosen only when no candidate is within the budget at every "
    "step, and its IoU is that of encoded frames. `live` encodes whole frames in the background and a close-up in each "
    "step; its IoU is that of the close-up, and it is tried for sizes at which a whole frame takes less than "
    f"{MAX_LIVE_FRAME_MS:g} ms."
)


def format_recommendation(recommendation: Recommendation) -> str:
    """Write a recommendation as text for a terminal."""
    lines = list(align_columns([["ms", *COLUMNS], *candidate_rows(recommendation)]))
    lines += [
        f"{candidate.label}: FAILED {candidate.error}"
        for candidate in recommendation.candidates
        if candidate.error
    ]
    return "\n".join([*lines, "", verdict(recommendation), *noise_notes(recommendation)])


def noise_notes(recommendation: Recommendation) -> list[str]:
    """Return a note if the machine was busy: on an idle machine another candidate may be the best."""
    note = recommendation.noise.note() if recommendation.noise is not None else None
    return [note] if note else []


def candidate_rows(recommendation: Recommendation) -> list[list[str]]:
    """Write the timed candidates: those that encode every frame, and those of other schedules with a session."""
    return [
        candidate_cells(candidate, recommendation)
        for candidate in recommendation.candidates
        if not candidate.error
        and candidate.encode_ms is not None
        and (candidate.encodes_every_frame or candidate.step_ms is not None)
    ]


def candidate_cells(candidate: BudgetCandidate, recommendation: Recommendation) -> list[str]:
    """Write one candidate."""
    marks = []
    if candidate in recommendation.front:
        marks.append("Pareto")
    if candidate.step_ms is not None:
        marks.append(
            "fits" if candidate.fits else "fits on average" if candidate.fits_on_average else "too slow"
        )
    if candidate == recommendation.chosen:
        marks.append("CHOSEN")
    return [
        candidate.label,
        format_number(candidate.encode_ms),
        format_number(candidate.decode_ms),
        "-" if candidate.iou is None else f"{candidate.iou:.3f}",
        format_number(candidate.step_mean_ms),
        format_number(candidate.step_ms),
        ", ".join(marks),
    ]


def verdict(recommendation: Recommendation) -> str:
    """Write the recommendation in a few sentences."""
    chosen, budget = recommendation.chosen, f"{recommendation.budget_ms:g} ms"
    if chosen is None:
        return (
            f"no candidate is within {budget} per step: raise the budget, or give faster engines or smaller sizes "
            "(--runtime, --sizes)"
        )
    latency = (
        f"step p95 {format_number(chosen.step_ms)} ms in a real session, within {budget}"
        if chosen.fits
        else f"step mean {format_number(chosen.step_mean_ms)} ms, within {budget}, but p95 "
        f"{format_number(chosen.step_ms)} ms: suitable where frames are queued, as in a file or a server"
    )
    return (
        f"best within the budget: {chosen.label}: IoU {chosen.iou:.3f} on {recommendation.images} images, {latency}. "
        f"Differences of IoU below about twice the standard error ({chosen.iou_error:.3f}) may be chance."
    )


def recommendation_html(recommendation: Recommendation, machine: Machine) -> str:
    """Write a recommendation as an HTML page."""
    engines = list(dict.fromkeys(candidate.engine.label for candidate in recommendation.candidates))
    errors = [
        html_error(f"{candidate.label}: {candidate.error}")
        for candidate in recommendation.candidates
        if candidate.error
    ]
    table = html_table([["", *COLUMNS], *candidate_rows(recommendation)])
    body = (
        f"<h1>Within {recommendation.budget_ms:g} ms per step, on {escape(machine.cpu)}</h1>"
        f"<p>{escape(verdict(recommendation))}</p>"
        + "".join(f'<p class="note">{escape(note)}</p>' for note in noise_notes(recommendation))
        + f'<p class="soft">{escape(HELP)}</p>'
        + html_card("latency and quality", draw_pareto(recommendation, engines) + svg_legend(engines))
        + f'<div class="card" style="margin-top:16px">{table}</div>{"".join(errors)}'
    )
    return html_document(f"sam-edge budget: {machine.cpu}", body)


def draw_pareto(recommendation: Recommendation, engines: list[str]) -> str:
    """Draw latency and quality of the candidates that encode every frame; `engines` gives the order of colours."""
    chosen, front = recommendation.chosen, recommendation.front
    dots = [
        Dot(
            x=candidate.frame_ms,
            y=candidate.iou,
            colour=engines.index(candidate.engine.label),
            radius=5,
            title=f"{candidate.label}: {format_number(candidate.frame_ms)} ms, IoU {candidate.iou:.3f}",
            name=f"{candidate.size[1]}x{candidate.size[0]}" if candidate in front else "",
            highlighted=chosen is not None
            and (candidate.engine, candidate.size) == (chosen.engine, chosen.size),
        )
        for candidate in recommendation.candidates
        if candidate.encodes_every_frame and candidate.frame_ms is not None and candidate.iou is not None
    ]
    return draw_scatter(
        dots,
        x_unit="ms per frame: encode, and decode one point",
        y_unit="IoU with the ground truth",
        path=[(candidate.frame_ms or 0.0, candidate.iou or 0.0) for candidate in front],
        limit_x=recommendation.budget_ms,
    )


def recommendation_json(
    recommendation: Recommendation, machine: Machine, *, complete: bool
) -> dict[str, Any]:
    """Return plain values for `json.dumps`; `complete` is whether the search was completed."""
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "complete": complete,
        "budget_ms": recommendation.budget_ms,
        "images": recommendation.images,
        "machine": to_plain(machine),
        "noise": to_plain(recommendation.noise),
        "candidates": [
            {
                **to_plain(candidate),
                "frame_ms": to_plain(candidate.frame_ms),
                "iou": to_plain(candidate.iou),
                "pareto": candidate in recommendation.front,
            }
            for candidate in recommendation.candidates
        ],
        "chosen": to_plain(recommendation.chosen),
    }
