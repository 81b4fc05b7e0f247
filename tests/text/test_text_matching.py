"""Text as a prompt, with a tiny encoder that knows colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import EngineError, InputError
from sam_edge.everything import GeneratedMask
from sam_edge.masks import Rle, mask_to_box
from sam_edge.text_matching import (
    FileTextImageEncoder,
    TextImageEncoder,
    crop_mask,
    score_masks,
    select_by_text,
)

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
PLACES = {"red": (60, 60), "green": (200, 80), "blue": (120, 170)}


class ColourEncoder:
    """A picture is the mean colour of what is not ground; a word is the colour that it names."""

    input_size = (32, 32)

    def encode_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Mean colour, less grey."""
        return np.asarray(images.astype(np.float32).mean(axis=(1, 2)) - 90)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The colour that is named, less grey."""
        return np.array([COLOURS[text.split()[-1]] for text in texts], np.float32) - 90


@pytest.fixture
def scene() -> tuple[NDArray[np.uint8], list[GeneratedMask]]:
    image = np.full((240, 320, 3), 90, np.uint8)
    found = []
    for name, place in PLACES.items():
        cv2.circle(image, place, 30, COLOURS[name], -1)
        mask = np.zeros((240, 320), np.uint8)
        cv2.circle(mask, place, 30, 1, -1)
        x0, y0, x1, y1 = mask_to_box(mask > 0) or (0, 0, 0, 0)
        box = (x0, y0, x1 - x0, y1 - y0)
        found.append(
            GeneratedMask(
                Rle.from_mask(mask > 0), int(mask.sum()), box, 0.9, ((1.0, 1.0),), 0.9, (0, 0, 320, 240)
            )
        )
    return image, found


def test_the_word_finds_its_disc(scene: tuple[NDArray[np.uint8], list[GeneratedMask]]) -> None:
    image, found = scene
    assert isinstance(ColourEncoder(), TextImageEncoder)
    for index, name in enumerate(COLOURS):
        assert select_by_text(ColourEncoder(), image, found, f"something {name}") is found[index]
    scores = score_masks(ColourEncoder(), image, found * 10, list(COLOURS))
    assert scores.shape == (30, 3)
    assert scores[:3].argmax(axis=1).tolist() == [0, 1, 2]
    assert np.abs(scores).max() <= 1.0001


def test_no_mask_means_no_selection(scene: tuple[NDArray[np.uint8], list[GeneratedMask]]) -> None:
    assert select_by_text(ColourEncoder(), scene[0], [], "red") is None


def test_a_crop_keeps_the_shape_and_hides_the_ground(
    scene: tuple[NDArray[np.uint8], list[GeneratedMask]],
) -> None:
    image, found = scene
    crop = crop_mask(image, found[0], (64, 128))
    assert crop.shape == (64, 128, 3)
    assert crop[32, 64].tolist() == [255, 0, 0]
    assert crop[32, 5].tolist() == [124, 116, 104]
    assert (crop_mask(image, found[0], (64, 64), hide_background=False)[1, 1] == 90).all()
    with pytest.raises(InputError, match="mask: size"):
        crop_mask(image[:50], found[0], (64, 64))


def test_what_an_encoder_must_not_do(scene: tuple[NDArray[np.uint8], list[GeneratedMask]]) -> None:
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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder as ONNX files: the mean colour of pictures of a fixed and of any size; words from a table."""
    onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")
    kinds, helper = onnx.TensorProto, onnx.helper
    folder = tmp_path_factory.mktemp("encoder")

    def save(name: str, nodes: list[object], inputs: list[object], table: object = None) -> None:
        vector = helper.make_tensor_value_info("vector", kinds.FLOAT, ["n", 3])
        graph = helper.make_graph(nodes, name, inputs, [vector], [table] if table else [])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, folder / f"{name}.onnx")

    mean = helper.make_node("ReduceMean", ["image"], ["vector"], axes=[2, 3], keepdims=0)
    for name, sides in (("picture", (32, 48)), ("any", ("h", "w"))):
        save(name, [mean], [helper.make_tensor_value_info("image", kinds.FLOAT, ["n", 3, *sides])])
    table = helper.make_tensor("table", kinds.FLOAT, [3, 3], np.eye(3, dtype=np.float32).ravel() - 0.3)
    words = [
        helper.make_node("Gather", ["table", "tokens"], ["each"]),
        helper.make_node("ReduceMean", ["each"], ["vector"], axes=[1], keepdims=0),
    ]
    save("words", words, [helper.make_tensor_value_info("tokens", kinds.INT64, ["n", "l"])], table)
    return folder


def tokens(texts: Sequence[str]) -> NDArray[np.int64]:
    return np.array([[list(COLOURS).index(text)] for text in texts], np.int64)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("picture", "size"), [("picture", None), ("any", (40, 32))])
def test_files_on_an_engine(
    scene: tuple[NDArray[np.uint8], list[GeneratedMask]],
    files: Path,
    runtime: str,
    picture: str,
    size: tuple[int, int] | None,
) -> None:
    pytest.importorskip(runtime, reason=f"needs {runtime}: pip install {runtime}")
    encoder = FileTextImageEncoder(
        files / f"{picture}.onnx",
        files / "words.onnx",
        lambda texts: {"tokens": tokens(texts)},
        runtime=runtime,
        input_size=size,
        output="vector",
        mean=(0.45, 0.45, 0.45),
    )
    assert isinstance(encoder, TextImageEncoder)
    assert encoder.input_size == (size or (32, 48))
    image, found = scene
    assert score_masks(encoder, image, found, list(COLOURS)).argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_files_that_do_not_fit(files: Path, runtime: str) -> None:
    pytest.importorskip(runtime, reason=f"needs {runtime}: pip install {runtime}")
    words = files / "words.onnx"
    with pytest.raises(InputError, match=r"none\.onnx"):
        FileTextImageEncoder(files / "none.onnx", words, tokens, runtime=runtime)
    with pytest.raises(InputError, match="input_size"):
        FileTextImageEncoder(files / "any.onnx", words, tokens, runtime=runtime)
    with pytest.raises(InputError, match="accepted: vector"):
        FileTextImageEncoder(files / "picture.onnx", words, tokens, runtime=runtime, output="image_embeds")
    with pytest.raises(InputError, match="runtime"):
        FileTextImageEncoder(files / "picture.onnx", words, tokens, runtime="torch")
    wrong = FileTextImageEncoder(
        files / "picture.onnx",
        words,
        lambda texts: np.zeros((1, 2, 3, 4)),  # type: ignore[arg-type, return-value]
        runtime=runtime,
    )
    with pytest.raises(EngineError, match=runtime):
        wrong.encode_text(["red"])
