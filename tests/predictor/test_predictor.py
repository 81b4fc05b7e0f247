"""`SamPredictor` beside the original's, embeddings on disk, and cut-outs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge.cutouts import cutout_rgba, write_cutout
from sam_edge.embeddings import load_embedding, save_embedding
from sam_edge.errors import InputError, MediaError, SessionError
from sam_edge.masks import iou
from sam_edge.media.images import read_image
from sam_edge.runtimes.fake import Fake
from sam_edge.sam_compat import resize
from sam_edge.segmenter import Segmenter

GREY = np.full((300, 400, 3), 90, np.uint8)


@pytest.fixture
def predictor() -> sam_edge.SamPredictor:
    made = sam_edge.SamPredictor(Segmenter(Fake()))
    made.set_image(GREY)
    return made


@pytest.fixture(scope="module")
def both(
    original: Any, checkpoint: Path, reference: Segmenter, labelled_dir: Path
) -> tuple[sam_edge.SamPredictor, Any]:
    """Our predictor and PyPI's with one picture, in fp32 torch."""
    image = read_image(labelled_dir / "images" / "coffee.jpg")
    ours, theirs = sam_edge.SamPredictor(reference), original.reference_predictor(checkpoint)
    for one in (ours, theirs):
        one.set_image(image)
    return ours, theirs


class TestBesideTheOriginal:
    """With the original's own scaling of the picture. What is left is the colour of the padding: whole numbers here."""

    LOGITS, SCORES, IOU = 0.1, 0.001, 0.995

    @pytest.mark.parametrize(
        "prompt",
        [
            {"point_coords": np.array([[300.0, 130.0]]), "point_labels": np.array([1])},
            {
                "point_coords": np.array([[300, 130], [50, 300]]),
                "point_labels": np.array([1, 0]),
                "multimask_output": False,
            },
            {"box": np.array([170, 20, 430, 240]), "multimask_output": False},
            {"box": np.array([[170, 20, 430, 240]])},
            {
                "box": np.array([170, 20, 430, 240]),
                "point_coords": np.array([[300, 130]]),
                "point_labels": np.array([0]),
            },
            {
                "point_coords": np.array([[300.0, 130.0]]),
                "point_labels": np.array([1]),
                "return_logits": True,
            },
        ],
    )
    def test_prompts_give_what_the_original_gives(
        self, both: tuple[sam_edge.SamPredictor, Any], prompt: dict[str, Any]
    ) -> None:
        self.compare(*(one.predict(**prompt) for one in both))

    def test_a_mask_goes_in_again(self, both: tuple[sam_edge.SamPredictor, Any]) -> None:
        point = {"point_coords": np.array([[300, 130]]), "point_labels": np.array([1])}
        _, scores, low = both[1].predict(**point)
        best = int(np.argmax(scores))
        for prompt in (point, {"box": np.array([170, 20, 430, 240])}):
            again = {**prompt, "mask_input": low[best : best + 1], "multimask_output": False}
            self.compare(*(one.predict(**again) for one in both))

    def test_a_picture_that_shrinks(
        self, both: tuple[sam_edge.SamPredictor, Any], labelled_dir: Path
    ) -> None:
        image = cv2.resize(read_image(labelled_dir / "images" / "flower.jpg"), (1801, 1203))
        for one in both:
            one.set_image(np.asarray(image, np.uint8))
        assert both[0].input_size == tuple(both[1].input_size) == (684, 1024)
        point = np.array([[900, 600]]), np.array([1])
        self.compare(*(one.predict(*point) for one in both))

    @pytest.mark.parametrize(
        "prompt",
        [
            {"points": [[[300.0, 130.0]], [[50.0, 300.0]]], "labels": [[1], [1]]},
            {"points": [[[300.0, 130.0], [0, 0]], [[50.0, 300.0], [60, 20]]], "labels": [[1, -1], [1, 0]]},
            {"boxes": [[170.0, 20, 430, 240], [10, 10, 200, 200]], "multimask_output": False},
            {
                "points": [[[300.0, 130.0]]],
                "labels": [[1]],
                "boxes": [[170.0, 20, 430, 240]],
                "return_logits": True,
            },
        ],
    )
    def test_batches_of_tensors(
        self, both: tuple[sam_edge.SamPredictor, Any], prompt: dict[str, Any]
    ) -> None:
        torch = pytest.importorskip("torch")
        results = []
        for each in both:
            size = each.original_size
            points, labels, boxes = (
                torch.tensor(prompt[name]) if name in prompt else None
                for name in ("points", "labels", "boxes")
            )
            results.append(
                each.predict_torch(
                    None if points is None else each.transform.apply_coords_torch(points, size),
                    labels,
                    None if boxes is None else each.transform.apply_boxes_torch(boxes, size),
                    multimask_output=prompt.get("multimask_output", True),
                    return_logits=prompt.get("return_logits", False),
                )
            )
        ours, theirs = results
        for index in range(len(theirs[0])):
            self.compare(
                tuple(tensor[index].numpy() for tensor in ours),
                tuple(tensor[index].detach().numpy() for tensor in theirs),
            )

    def test_the_transform_converts_alike(self, both: tuple[sam_edge.SamPredictor, Any]) -> None:
        ours, theirs = (each.transform for each in both)
        size = (1203, 1801)
        points = np.array([[0.0, 0.0], [1800.5, 12.25], [33, 1203]])
        boxes = np.array([[0.0, 1, 2, 3], [100, 200, 1800, 1200]])
        np.testing.assert_allclose(ours.apply_coords(points, size), theirs.apply_coords(points, size))
        np.testing.assert_allclose(ours.apply_boxes(boxes, size), theirs.apply_boxes(boxes, size))
        image = np.random.default_rng(3).integers(0, 255, (37, 53, 3), np.uint8)
        assert np.array_equal(ours.apply_image(image), theirs.apply_image(image))
        assert ours.get_preprocess_shape(*size, 1024) == theirs.get_preprocess_shape(*size, 1024)

    def compare(self, ours: tuple[NDArray[Any], ...], theirs: tuple[NDArray[Any], ...]) -> None:
        """Compare what both predicted."""
        for mine, its in zip(ours, theirs, strict=True):
            assert mine.shape == its.shape
            assert mine.dtype == its.dtype
        assert np.abs(ours[2] - theirs[2]).max() < self.LOGITS
        assert np.abs(ours[1] - theirs[1]).max() < self.SCORES
        if ours[0].dtype == np.float32:
            assert np.abs(ours[0] - theirs[0]).max() < self.LOGITS
        else:
            assert all(iou(mine, its) > self.IOU for mine, its in zip(ours[0], theirs[0], strict=True))


class TestScaling:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ((48, 64), (768, 1024)),
            ((300, 451), (100, 150)),
            ((5, 7), (731, 1024)),
            ((1, 1), (64, 64)),
            ((1, 900), (1, 17)),
            ((40, 50), (40, 50)),
            ((1100, 1300), (325, 384)),
        ],
    )
    def test_every_pixel_is_pillows(self, before: tuple[int, int], after: tuple[int, int]) -> None:
        pillow = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install pillow")
        image = np.random.default_rng(0).integers(0, 256, (*before, 3), np.uint8)
        wanted = pillow.fromarray(image).resize(after[::-1], pillow.Resampling.BILINEAR)
        np.testing.assert_array_equal(resize(image, after), np.asarray(wanted))


class TestConventions:
    def test_shapes(self, predictor: sam_edge.SamPredictor) -> None:
        masks, scores, low = predictor.predict(np.array([[200, 150]]), np.array([1]))
        assert (masks.shape, scores.shape, low.shape) == ((3, 300, 400), (3,), (3, 256, 256))
        assert masks.dtype == np.bool_
        assert scores.dtype == low.dtype == np.float32
        single = predictor.predict(np.array([[200, 150]]), np.array([1]), multimask_output=False)
        assert single[0].shape == (1, 300, 400)
        assert predictor.original_size == (300, 400)
        assert predictor.input_size == (768, 1024)
        assert predictor.get_image_embedding().shape == (1, 256, 64, 64)
        assert predictor.device == "CPU"

    def test_a_smaller_input_gives_smaller_logits(self) -> None:
        made = sam_edge.SamPredictor(Segmenter(Fake()), size=(448, 672))
        made.set_image(GREY)
        masks, _, low = made.predict(box=np.array([100, 50, 300, 250]), multimask_output=False)
        assert low.shape == (1, 112, 168)
        wanted = np.zeros((300, 400), np.bool_)
        wanted[50:250, 100:300] = True
        assert iou(masks[0], wanted) > 0.95
        again = made.predict(mask_input=low)
        assert again[0].shape == (3, 300, 400)

    def test_bgr_is_turned_round(self) -> None:
        random = np.random.default_rng(1)
        image = random.integers(0, 255, (300, 400, 3), np.uint8)

        class Seen(Fake):
            def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
                self.image = image.copy()
                return super().encode(image)

        runtime = Seen()
        made = sam_edge.SamPredictor(Segmenter(runtime))
        made.set_image(image)
        first = runtime.image
        made.set_image(np.ascontiguousarray(image[..., ::-1]), "BGR")
        assert np.array_equal(runtime.image, first)

    def test_padding_and_boxes_over_the_edge_are_accepted(self, predictor: sam_edge.SamPredictor) -> None:
        padded = predictor.predict(np.array([[200, 150], [0, 0]]), np.array([1, -1]))
        alone = predictor.predict(np.array([[200, 150]]), np.array([1]))
        assert all(np.array_equal(mine, other) for mine, other in zip(padded, alone, strict=True))
        assert predictor.predict(box=np.array([-0.3, 50, 200, 250]))[0].shape == (3, 300, 400)

    def test_what_a_batch_does_not_take_is_named(self, predictor: sam_edge.SamPredictor) -> None:
        pytest.importorskip("torch")
        with pytest.raises(InputError, match=r"set_torch_image: not supported.*set_image"):
            predictor.set_torch_image(np.zeros((1, 3, 8, 8)), (8, 8))
        with pytest.raises(InputError, match=r"point_labels: shape \(1,\)"):
            predictor.predict_torch(np.zeros((1, 1, 2)), np.ones(1))
        with pytest.raises(InputError, match=r"boxes: .* has no extent"):
            predictor.predict_torch(None, None, np.array([[5, 5, 1, 9]]))
        with pytest.raises(InputError, match="nothing is prompted"):
            predictor.predict_torch(None, None)
        small = sam_edge.SamPredictor(predictor.model, size=(448, 672))
        with pytest.raises(InputError, match="is not square"):
            _ = small.transform

    def test_no_image(self) -> None:
        made = sam_edge.SamPredictor(Segmenter(Fake()))
        assert not made.is_image_set
        with pytest.raises(SessionError, match="set_image"):
            made.predict(np.array([[1, 1]]), np.array([1]))
        made.set_image(GREY)
        assert made.is_image_set
        made.reset_image()
        assert not made.is_image_set

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({}, "prompt"),
            ({"point_coords": [[1, 2]]}, "point_labels"),
            ({"point_labels": [1]}, "point_labels"),
            ({"point_coords": [[1, 2]], "point_labels": [1, 0]}, "point_labels"),
            ({"point_coords": [[1, 2]], "point_labels": [3]}, "point_labels"),
            ({"point_coords": [[np.nan, 2]], "point_labels": [1]}, "point_coords"),
            ({"box": [1, 2, 3]}, "box"),
            ({"box": [30, 2, 10, 40]}, "has no extent"),
            ({"point_coords": [[1, 2]], "point_labels": [-2]}, r"-1 \(padding\)"),
            ({"box": [[1, 2, 3, 4], [1, 2, 3, 4]]}, "box"),
            ({"mask_input": np.zeros((1, 64, 64))}, "mask_input"),
        ],
    )
    def test_what_is_not_accepted_is_named(
        self, predictor: sam_edge.SamPredictor, arguments: dict[str, Any], named: str
    ) -> None:
        with pytest.raises(InputError, match=named):
            predictor.predict(**arguments)

    def test_formats(self, predictor: sam_edge.SamPredictor) -> None:
        with pytest.raises(InputError, match="image_format"):
            predictor.set_image(GREY, "GRB")


class TestEmbeddingsOnDisk:
    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("safetensors", reason="needs safetensors: pip install 'sam-edge[embeddings]'")

    def test_what_was_saved_comes_back(self, tmp_path: Path) -> None:
        model = Segmenter(Fake())
        view = sam_edge.View(20, 30, 200, 150)
        embedding = model.encode(GREY, size=(224, 224), view=view, time_ns=7)
        save_embedding(tmp_path / "one.safetensors", embedding)
        back = load_embedding(tmp_path / "one.safetensors")
        assert np.array_equal(back.data, embedding.data)
        assert back.placement == embedding.placement
        assert (back.frame_size, back.time_ns) == ((300, 400), 7)
        made = model.decode(back, points=[[100, 100]])
        assert np.array_equal(made.masks, model.decode(embedding, points=[[100, 100]]).masks)

    def test_a_predictor_takes_it(self, predictor: sam_edge.SamPredictor, tmp_path: Path) -> None:
        save_embedding(tmp_path / "one.safetensors", predictor.embedding)
        other = sam_edge.SamPredictor(Segmenter(Fake()))
        other.embedding = load_embedding(tmp_path / "one.safetensors")
        point = (np.array([[200, 150]]), np.array([1]))
        assert np.array_equal(other.predict(*point)[2], predictor.predict(*point)[2])

    def test_other_weights_are_refused(self, tmp_path: Path) -> None:
        with sam_edge.load(runtime="onnxruntime", threads=1) as model:
            embedding = model.encode(GREY, size=(224, 224))
            path = tmp_path / "one.safetensors"
            save_embedding(path, embedding, model=model)
            assert np.array_equal(load_embedding(path, model=model).data, embedding.data)
            data = path.read_bytes()
            assert model.bundle is not None
            digest = model.bundle.manifest.checkpoint_sha256.encode()
            path.write_bytes(data.replace(digest, b"0" * len(digest)))
            with pytest.raises(InputError, match="weights"):
                load_embedding(path, model=model)

    @pytest.mark.parametrize("keep", [0, 4, 60, -1])
    def test_a_damaged_file_is_named(self, tmp_path: Path, keep: int) -> None:
        path = tmp_path / "one.safetensors"
        save_embedding(path, Segmenter(Fake()).encode(GREY, size=(224, 224)))
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match=r"one\.safetensors"):
            load_embedding(path)

    def test_a_file_of_others_and_none_at_all(self, tmp_path: Path) -> None:
        from safetensors.numpy import save_file

        save_file({"embedding": np.zeros((1, 256, 4, 4), np.float32)}, tmp_path / "other.safetensors")
        for name in ("other", "none"):
            with pytest.raises(InputError, match=name):
                load_embedding(tmp_path / f"{name}.safetensors")


class TestCutOuts:
    @pytest.fixture
    def mask(self) -> NDArray[np.bool_]:
        mask = np.zeros((300, 400), np.bool_)
        mask[100:150, 200:260] = True
        return mask

    def test_the_crop_holds_the_pixels(self, mask: NDArray[np.bool_], tmp_path: Path) -> None:
        mask[100, 200] = False
        rgba = cutout_rgba(GREY, mask)
        assert rgba.shape == (50, 60, 4)
        assert rgba[0, 0].tolist() == [90, 90, 90, 0]
        assert rgba[1, 1].tolist() == [90, 90, 90, 255]
        write_cutout(tmp_path / "cut.png", rgba)
        assert np.array_equal(np.asarray(cv2.imread(str(tmp_path / "cut.png"), cv2.IMREAD_UNCHANGED)), rgba)

    def test_margin_and_soft_edge(self, mask: NDArray[np.bool_]) -> None:
        rgba = cutout_rgba(GREY, mask, margin_px=10, soft_px=4)
        assert rgba.shape == (70, 80, 4)
        edge = rgba[35, :, 3]
        assert edge[0] == 0
        assert edge[40] == 255
        assert 100 < int(edge[9]) < int(edge[10]) < 160

    def test_bad_input(self, mask: NDArray[np.bool_], tmp_path: Path) -> None:
        for wrong in (mask[:10], mask.astype(np.uint8), np.zeros_like(mask)):
            with pytest.raises(InputError, match="mask"):
                cutout_rgba(GREY, wrong)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="margin"):
            cutout_rgba(GREY, mask, margin_px=-1)
        with pytest.raises(MediaError, match="jpg"):
            write_cutout(tmp_path / "cut.jpg", cutout_rgba(GREY, mask))
        with pytest.raises(MediaError, match="rgba"):
            write_cutout(tmp_path / "cut.png", GREY)
