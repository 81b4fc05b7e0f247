"""Hypotheses: SAM's masks of one place, and how likely each is the object."""

from __future__ import annotations

import numpy as np
import pytest

from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream import GazeSession
from sam_edge.stream.hypothesis import decode_hypotheses
from sam_edge.stream.tuning import DEFAULT_TUNING

SIDE, MS = 224, 1_000_000
IMAGE = np.full((SIDE, SIDE, 3), 90, np.uint8)
RADII = "sam_edge.runtimes.fake.RADII_PX"
"""Radius of the disc of each mask; the first one is not for single points."""


@pytest.mark.parametrize(
    ("radii_px", "kept"), [((48, 24, 48, 96), 3), ((48, 24, 48, 900), 2), ((48, 900, 900, 900), 0)]
)
def test_a_mask_of_the_scene_is_left_out(
    monkeypatch: pytest.MonkeyPatch, radii_px: tuple[float, ...], kept: int
) -> None:
    monkeypatch.setattr(RADII, radii_px)
    with Segmenter(Fake()) as model:
        embedding = model.encode(IMAGE, size=(SIDE, SIDE))
        (hypotheses,) = decode_hypotheses(model, embedding, [[(112.0, 112.0)]], DEFAULT_TUNING)
    assert len(hypotheses) == kept
    assert all((item.grid_logits > 0).mean() < 0.95 for item in hypotheses)
    if hypotheses:
        assert sum(item.probability for item in hypotheses) == pytest.approx(1.0)


def test_an_object_that_grows_to_the_whole_frame_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disc covers 86 % of the frame; followed by its box, which the stand-in returns, it would be all of it."""
    monkeypatch.setattr(RADII, (120.0, 120.0, 120.0, 120.0))
    shares = []
    with Segmenter(Fake()) as model, GazeSession(model, size=(SIDE, SIDE)) as session:
        for time_ns in range(0, 2000 * MS, 40 * MS):
            session.feed(GazeSample(time_ns + step * MS, 112.0, 112.0) for step in range(0, 40, 5))
            mask = session.step(IMAGE, time_ns).mask
            shares += [] if mask is None else [float(mask.mean())]
    assert shares
    assert max(shares) < 0.95
