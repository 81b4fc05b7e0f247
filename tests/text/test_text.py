"""Text as a prompt, with a tiny encoder that knows colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import EngineError, InputError
from sam_edge.everything import FoundMask
from sam_edge.masks import Rle, box_of
from sam_edge.text import OnnxTextImageEncoder, TextImageEncoder, crop_of, score_masks, select_by_text

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
PLACES = {"red": (60, 60), "green": (200, 80), "blue": (120, 170)}


class ColourEncoder:
    """A picture is the mean colour of what is not ground; a word is the colour that it names."""

    input_size = (32, 32)

    def encode_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Mean colour, less grey."""
        return images.astype(np.float32).mean(axis=(1, 2)) - 90

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The colour that is named, less grey."""
        return np.array([COLOURS[text.split()[-1]] for text in texts], np.float32) - 90


@pytest.fixture
def scene() -> tuple[NDArray[np.uint8], list[FoundMask]]:
    image = np.full((240, 320, 3), 90, np.uint8)
    found = []
    for name, place in PLACES.items():
        cv2.circle(image, place, 30, COLOURS[name], -1)
        mask = np.zeros((240, 320), np.uint8)
        cv2.circle(mask, place, 30, 1, -1)
        x0, y0, x1, y1 = box_of(mask > 0) or (0, 0, 0, 0)
        box = (x0, y0, x1 - x0, y1 - y0)
        found.append(
            FoundMask(Rle.of(mask > 0), int(mask.sum()), box, 0.9, ((1.0, 1.0),), 0.9, (0, 0, 320, 240))
        )
    return image, found


def test_the_word_finds_its_disc(scene: tuple[NDArray[np.uint8], list[FoundMask]]) -> None:
    image, found = scene
    assert isinstance(ColourEncoder(), TextImageEncoder)
    for index, name in enumerate(COLOURS):
        assert select_by_text(ColourEncoder(), image, found, f"something {name}") is found[index]
    scores = score_masks(ColourEncoder(), image, found * 10, list(COLOURS))
    assert scores.shape == (30, 3)
    assert scores[:3].argmax(axis=1).tolist() == [0, 1, 2]
    assert np.abs(scores).max() <= 1.0001


def test_no_mask_means_no_selection(scene: tuple[NDArray[np.uint8], list[FoundMask]]) -> None:
    assert select_by_text(ColourEncoder(), scene[0], [], "red") is None


def test_a_crop_keeps_the_shape_and_hides_the_ground(
    scene: tuple[NDArray[np.uint8], list[FoundMask]],
) -> None:
    image, found = scene
    crop = crop_of(image, found[0], (64, 128))
    assert crop.shape == (64, 128, 3)
    assert crop[32, 64].tolist() == [255, 0, 0]
    assert crop[32, 5].tolist() == [124, 116, 104]
    assert (crop_of(image, found[0], (64, 64), hide_ground=False)[1, 1] == 90).all()
    with pytest.raises(InputError, match="found"):
        crop_of(image[:50], found[0], (64, 64))


def test_what_an_encoder_must_not_do(scene: tuple[NDArray[np.uint8], list[FoundMask]]) -> None:
    image, found = scene

    class Wrong(ColourEncoder):
        def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.ones((len(texts), 5), np.float32)

    with pytest.raises(EngineError, match="5"):
        score_masks(Wrong(), image, found, ["red"])

    class Nothing(ColourEncoder):
        def encode_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.full((len(images), 3), np.nan, np.float32)

    with pytest.raises(EngineError, match="encode_images"):
        score_masks(Nothing(), image, found, ["red"])
    for texts in ([], [""], ["  "]):
        with pytest.raises(InputError, match="texts"):
            score_masks(ColourEncoder(), image, found, texts)


def test_onnx_files(scene: tuple[NDArray[np.uint8], list[FoundMask]], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")
    kinds, helper = onnx.TensorProto, onnx.helper
    picture = helper.make_graph(
        [helper.make_node("ReduceMean", ["image"], ["vector"], axes=[2, 3], keepdims=0)],
        "picture",
        [helper.make_tensor_value_info("image", kinds.FLOAT, ["n", 3, 32, 48])],
        [helper.make_tensor_value_info("vector", kinds.FLOAT, ["n", 3])],
    )
    table = helper.make_tensor("table", kinds.FLOAT, [3, 3], np.eye(3, dtype=np.float32).ravel() - 0.3)
    words = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "tokens"], ["each"]),
            helper.make_node("ReduceMean", ["each"], ["vector"], axes=[1], keepdims=0),
        ],
        "words",
        [helper.make_tensor_value_info("tokens", kinds.INT64, ["n", "l"])],
        [helper.make_tensor_value_info("vector", kinds.FLOAT, ["n", 3])],
        [table],
    )
    for name, graph in (("picture", picture), ("words", words)):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / f"{name}.onnx")
    names = list(COLOURS)
    encoder = OnnxTextImageEncoder(
        tmp_path / "picture.onnx",
        tmp_path / "words.onnx",
        lambda texts: np.array([[names.index(text)] for text in texts], np.int64),
        mean=(0.45, 0.45, 0.45),
    )
    assert encoder.input_size == (32, 48)
    image, found = scene
    assert score_masks(encoder, image, found, names).argmax(axis=1).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"none\.onnx"):
        OnnxTextImageEncoder(
            tmp_path / "none.onnx", tmp_path / "words.onnx", lambda texts: np.zeros((1, 1), np.int64)
        )
