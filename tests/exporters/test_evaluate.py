"""Comparing a model with a reference: figures that can be worked out by hand, on a runtime whose masks are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.exporters.evaluate import by_token, compare
from sam_edge.exporters.image_sets import LabelledImage, read_labelled_images
from sam_edge.masks import Masks
from sam_edge.runtimes.fake import RADII_PX, Fake
from sam_edge.segmenter import Segmenter

SIZE = (448, 672)


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    """The pixels of a disc in a 672x448 frame."""
    columns, rows = np.arange(672) + 0.5, np.arange(448)[:, None] + 0.5
    return np.asarray(np.hypot(columns - x, rows - y) < radius)


def pictures(count: int = 2) -> Iterator[LabelledImage]:
    """Pictures of the encoder's size with two discs of 96 pixels, which is the fake's largest."""
    for number in range(count):
        image = np.full((*SIZE, 3), 40 + 60 * number, np.uint8)
        image[100:200, 100:300] = 200
        yield LabelledImage(f"{number}", image, np.stack([disc(200, 200, 96), disc(470, 220, 96)]))


class Altered(Fake):
    """A fake that differs from itself by exactly as much as it is told."""

    def __init__(self, *, shrunk: float = 0.0, stretched: float = 1.0) -> None:
        """Take `shrunk` input pixels off every disc, and multiply the embedding."""
        super().__init__()
        self.shrunk, self.stretched = shrunk, stretched

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Stretch the embedding."""
        return np.asarray(super().encode(image) * np.float32(self.stretched), np.float32)

    def decode(self, *given: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Shrink the discs."""
        logits, scores = super().decode(*given)
        return logits - np.float32(self.shrunk), scores


def test_a_model_compared_with_itself_loses_exactly_nothing() -> None:
    found = compare(Segmenter(Fake()), Segmenter(Fake()), pictures(), size=SIZE)
    assert found.images == 2
    assert found.cosine == pytest.approx(1, abs=1e-12)
    assert found.relative_error == 0
    assert np.max(found.logit_error) == 0
    assert found.chosen_iou == 1
    assert found.token_iou == (1, 1, 1, 1)
    assert found.truth_loss == 0
    assert found.truth_iou == found.reference_truth_iou
    assert found.truth_iou == pytest.approx(1, abs=0.03)


def test_what_differs_is_measured() -> None:
    found = compare(Segmenter(Altered(shrunk=6, stretched=1.5)), Segmenter(Fake()), pictures(), size=SIZE)
    assert found.cosine == pytest.approx(1, abs=1e-6)
    assert found.relative_error == pytest.approx(0.5, abs=1e-5)
    assert np.mean(found.logit_error) == pytest.approx(6, abs=1e-4)
    expected = [((radius - 6) / radius) ** 2 for radius in RADII_PX]
    np.testing.assert_allclose(found.token_iou, expected, atol=0.03)
    assert found.chosen_iou == pytest.approx(expected[3], abs=0.02)
    assert found.truth_loss == pytest.approx(1 - expected[3], abs=0.02)


def test_a_model_that_is_better_than_the_reference_loses_less_than_nothing() -> None:
    found = compare(Segmenter(Fake()), Segmenter(Altered(shrunk=6)), pictures(), size=SIZE)
    assert found.truth_loss is not None
    assert found.truth_loss < -0.05


def test_the_summary_holds_rounded_figures_for_a_manifest() -> None:
    found = compare(Segmenter(Altered(shrunk=1)), Segmenter(Fake()), pictures(), size=SIZE)
    summary = found.summary()
    assert summary["pictures"] == 2
    assert summary["truth_loss"] == pytest.approx(found.truth_loss, abs=1e-5)
    assert summary["chosen_iou"] == pytest.approx(found.chosen_iou, abs=1e-5)
    tokens = summary["token_iou"]
    assert isinstance(tokens, list)
    assert len(tokens) == 4
    assert all(value == round(value, 5) for value in tokens)


def test_a_set_without_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    assert cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((30, 30, 3), np.uint8))
    with pytest.raises(InputError, match="labelled: the set holds no image with an object of 400 pixels"):
        compare(Segmenter(Fake()), Segmenter(Fake()), read_labelled_images(tmp_path), size=SIZE)


def test_many_things_in_one_picture_are_all_compared() -> None:
    things = np.stack([disc(60 + 28 * number, 200, 20) for number in range(21)])
    picture = LabelledImage("many", np.zeros((*SIZE, 3), np.uint8), things)
    fake = Fake()
    compare(Segmenter(fake), Segmenter(Altered()), [picture], size=SIZE)
    assert fake.decoded == 21 + 1, "one more, for a mask prompt"


def test_masks_are_put_in_the_order_of_their_tokens() -> None:
    token = np.array([[2, 0, 3, 1], [0, 1, 2, 3]])
    values = np.broadcast_to(token[:, :, None, None], (2, 4, 5, 6)).astype(np.float32)
    masks = Masks(masks=values > 0, scores=token.astype(np.float32), logits=values, token=token)
    ordered = by_token(masks, masks.logits)
    assert ordered.shape == (2, 4, 5, 6)
    np.testing.assert_array_equal(ordered[:, :, 0, 0], [[0, 1, 2, 3], [0, 1, 2, 3]])
