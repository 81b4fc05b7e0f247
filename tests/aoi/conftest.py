"""The clip, the gaze and the fake engine of the tests of `track`."""

from __future__ import annotations

from tests.track.conftest import clip, model, samples

__all__ = ["clip", "model", "samples"]
