"""Everything mode: grid, crops, filters, suppression, memory; beside SAM's own functions and on a fake engine."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge.errors import InputError
from sam_edge.everything import (
    FAST,
    STANDARD,
    GeneratedMask,
    MaskGeneratorConfig,
    count_points,
    detect_edges,
    generate_masks,
)
from sam_edge.everything.draw import draw_masks
from sam_edge.everything.generate import stability_score
from sam_edge.everything.generated_mask import encode_part
from sam_edge.everything.grid import Crop, grid_points, layout_crops
from sam_edge.everything.patches import OVERHEAD_BYTES, MaskPool, Patch, extract_patch, upscale_patch
from sam_edge.geometry import Placement, View
from sam_edge.masks import Rle, iou, mask_to_box
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter

ALL = MaskGeneratorConfig(
    points_per_side=8, predicted_iou=0.0, stability=0.0, skip_covered_iou=None, size=(448, 448)
)


class Blobs(Fake):
    """Finds discs that stand in the picture at known places, wherever inside them it is asked; nothing elsewhere."""

    def __init__(self, discs: list[tuple[float, float, float]]) -> None:
        """Take discs x, y, radius, in input pixels."""
        super().__init__()
        self.discs = discs

    def decode(
        self,
        embedding: NDArray[np.float32],
        points: NDArray[np.float32],
        labels: NDArray[np.int32],
        mask: NDArray[np.float32],
        has_mask: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give the disc that holds the point, three times, with a predicted IoU of .95; else nothing, with .1."""
        self.decoded += len(points)
        rows, columns = mask.shape[2:]
        x, y = 4 * np.arange(columns) + 1.5, 4 * np.arange(rows)[:, None] + 1.5
        logits = np.full((len(points), 4, rows, columns), -10, np.float32)
        scores = np.full((len(points), 4), 0.1, np.float32)
        for index, place in enumerate(points[:, 0]):
            for disc_x, disc_y, radius in self.discs:
                if np.hypot(place[0] - disc_x, place[1] - disc_y) < radius:
                    logits[index] = 10 * (radius - np.hypot(x - disc_x, y - disc_y))
                    scores[index] = 0.95
        return logits, scores


def disc(size: tuple[int, int], x: float, y: float, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.indices(size) + 0.5
    return np.asarray(np.hypot(columns - x, rows - y) < radius)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.zeros((height, width, 3), np.uint8)


class TestGrid:
    @pytest.mark.parametrize("count", [1, 2, 3, 8, 15, 32])
    def test_the_points_are_sams(self, count: int) -> None:
        points = grid_points(Crop(View(10, 20, 64, 32), count))
        first, step = 1 / (2 * count), 1 / count
        wanted = {
            (10 + 64 * (first + i * step), 20 + 32 * (first + j * step))
            for i in range(count)
            for j in range(count)
        }
        found = {(x, y) for x, y in points.tolist()}
        assert len(found) == count * count
        assert np.allclose(sorted(found), sorted(wanted))

    def test_the_first_points_are_spread_over_the_picture(self) -> None:
        points = grid_points(Crop(View(0, 0, 1000, 1000), 32))[:64]
        quarters = (points[:, 0] > 500).astype(int) + 2 * (points[:, 1] > 500)
        assert np.bincount(quarters, minlength=4).min() >= 9

    @pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (333, 211)])
    def test_crops_are_those_of_sams_generator(self, size: tuple[int, int]) -> None:
        # Figures of segment_anything.utils.amg.generate_crop_boxes(size, 2, 512 / 1500), which imports torchvision.
        wanted = {
            (480, 640): [(0, 0, 402, 322), (239, 0, 401, 322), (0, 159, 402, 321), (239, 159, 401, 321)],
            (1080, 1920): [
                (0, 0, 1144, 724),
                (776, 0, 1144, 724),
                (0, 356, 1144, 724),
                (776, 356, 1144, 724),
            ],
            (333, 211): [(0, 0, 142, 203), (70, 0, 141, 203), (0, 131, 142, 202), (70, 131, 141, 202)],
        }[size]
        crops = layout_crops(size, MaskGeneratorConfig(crop_layers=2, crop_points_divisor=2))
        assert len(crops) == 1 + 4 + 16
        boxes = {(one.view.x0, one.view.y0, one.view.width, one.view.height) for one in crops[1:5]}
        assert boxes == set(wanted)
        assert [one.points_per_side for one in (crops[0], crops[1], crops[5])] == [32, 16, 8]
        assert (
            count_points(size, MaskGeneratorConfig(crop_layers=2, crop_points_divisor=2))
            == 32**2 + 4 * 16**2 + 16 * 8**2
        )

    def test_left_out_settings_are_the_standard_ones_sam_s_grid_and_four_crops(self) -> None:
        assert count_points((480, 640)) == count_points((480, 640), STANDARD) == 32**2 + 4 * 16**2

    def test_a_tiny_picture_still_has_crops_inside_it(self) -> None:
        for crop in layout_crops((1, 1), MaskGeneratorConfig(crop_layers=3)):
            assert crop.view == View(0, 0, 1, 1)


class TestPatches:
    def test_scaling_a_patch_gives_the_mask_that_scaling_everything_gives(self) -> None:
        random = np.random.default_rng(0)
        for frame_size, size in (((480, 640), (448, 672)), ((300, 200), (448, 448)), ((64, 900), (224, 896))):
            view = View.whole(frame_size)
            placement = Placement(view, size)
            small = random.normal(size=(9, 9)).astype(np.float32)
            low = cv2.resize(small, (size[1] // 4, size[0] // 4), interpolation=cv2.INTER_CUBIC) - 0.4
            low = low.astype(np.float16).astype(np.float32)
            rows, columns = -(-placement.inside[0] // 4), -(-placement.inside[1] // 4)
            low[rows:], low[:, columns:] = (
                low[rows - 1],
                low[:, columns - 1 : columns],
            )  # no seam to the letterbox
            patch = extract_patch(low[:rows, :columns], placement, score=0.9, stability=0.9, point=(1.0, 1.0))
            assert patch is not None
            part, (top, left) = upscale_patch(patch, placement)
            found = np.zeros(frame_size, np.bool_)
            found[top : top + part.shape[0], left : left + part.shape[1]] = part
            wanted = placement.paste(low, frame_size) > 0
            assert iou(found, wanted) > 0.999
            assert encode_part(part, (top, left), frame_size) == Rle.from_mask(found)

    def test_an_empty_mask_is_no_patch(self) -> None:
        placement = Placement(View(0, 0, 64, 64), (64, 64))
        low = np.full((16, 16), -1, np.float32)
        assert extract_patch(low, placement, score=1, stability=1, point=(0, 0)) is None

    def test_a_part_that_is_the_whole_frame_and_one_that_is_a_pixel(self) -> None:
        for size in ((1, 1), (5, 3), (7, 1)):
            full = np.ones(size, np.bool_)
            assert encode_part(full, (0, 0), size) == Rle.from_mask(full)
        single = np.zeros((4, 6), np.bool_)
        single[2, 3] = True
        assert encode_part(single[2:3, 3:4], (2, 3), (4, 6)) == Rle.from_mask(single)
        assert encode_part(np.zeros((2, 2), np.bool_), (1, 1), (4, 6)) == Rle.from_mask(
            np.zeros((4, 6), np.bool_)
        )

    def test_the_pool_holds_no_more_than_its_room(self) -> None:
        pool: MaskPool[Patch] = MaskPool(0.7, max_bytes=10_000)
        for index in range(200):
            logits = np.ones((20, 20), np.float16)
            box = (30.0 * index, 0.0, 30.0 * index + 20, 20.0)
            pool.add(Patch(logits, (0, 0), box, score=index / 200, stability=1.0, point=(0, 0)))
        kept = pool.best()
        assert 1 < len(kept) < 10_000 / OVERHEAD_BYTES
        assert kept[0].score == 199 / 200

    def test_the_pool_drops_what_a_better_one_says(self) -> None:
        pool: MaskPool[Patch] = MaskPool(0.7)
        for score, x in ((0.5, 0.0), (0.9, 1.0), (0.8, 50.0)):
            pool.add(Patch(np.ones((4, 4), np.float16), (0, 0), (x, 0, x + 20, 20), score, 1.0, (0, 0)))
        assert [patch.score for patch in pool.best()] == [0.9, 0.8]


class TestFinding:
    def test_each_disc_is_found_once(self) -> None:
        discs = [(100.0, 100.0, 40.0), (300.0, 120.0, 60.0), (200.0, 350.0, 30.0)]
        model = Segmenter(Blobs(discs))
        found = generate_masks(
            model, picture(448, 448), config=MaskGeneratorConfig(points_per_side=16, size=(448, 448))
        )
        assert len(found) == 3
        for x, y, radius in discs:
            assert max(iou(one.mask(), disc((448, 448), x + 0.5, y + 0.5, radius)) for one in found) > 0.97

    def test_points_in_what_is_known_are_not_asked(self) -> None:
        runtime = Blobs([(224.0, 224.0, 150.0)])
        image = picture(448, 448)
        config = MaskGeneratorConfig(points_per_side=16, size=(448, 448), points_per_batch=8)
        found = generate_masks(Segmenter(runtime), image, config=config)
        asked = runtime.decoded
        every = Blobs(runtime.discs)

        again = generate_masks(Segmenter(every), image, config=replace(config, skip_covered_iou=None))
        assert every.decoded == 256
        assert asked < 256 * 0.75
        assert [one.segmentation for one in found] == [one.segmentation for one in again]

    def test_progress_tells_of_every_point(self) -> None:
        done: list[int] = []
        config = MaskGeneratorConfig(points_per_side=9, crop_layers=1, size=(224, 224))
        generate_masks(
            Segmenter(Blobs([(80.0, 80.0, 60.0)])), picture(200, 300), config=config, advance=done.append
        )
        assert sum(done) == count_points((200, 300), config) == 5 * 81

    def test_thresholds_keep_what_exceeds_them(self) -> None:
        model = Segmenter(Fake())  # scores .8, .9, .85

        one = replace(ALL, points_per_side=1)
        assert len(generate_masks(model, picture(448, 448), config=one)) == 3
        surer = generate_masks(model, picture(448, 448), config=replace(one, predicted_iou=0.84))
        scores = [found.predicted_iou for found in surer]
        assert scores == pytest.approx([0.9, 0.85])
        # Discs of 24, 48 and 96 px: moving the edge by a pixel costs small ones more.
        (largest,) = generate_masks(model, picture(448, 448), config=replace(one, stability=0.94))
        assert largest.bbox[2] > 180

    def test_masks_at_a_crops_inner_edge_are_dropped(self) -> None:
        config = MaskGeneratorConfig(points_per_side=6, crop_layers=1, size=(448, 448))
        image = picture(400, 400)
        cut = generate_masks(Segmenter(Blobs([(440.0, 224.0, 60.0)])), image, config=config)
        # In the whole picture and in the right crops the edge is the picture's; in the left ones it is not.
        assert {one.crop_box[0] for one in cut} <= {0.0, 132.0}
        assert all(one.crop_box[0] > 0 or one.crop_box[2] == 400 for one in cut)

    def test_of_a_thing_in_two_crops_the_smaller_crops_mask_stays(self) -> None:
        config = MaskGeneratorConfig(points_per_side=8, crop_layers=1, size=(448, 448), crop_nms=0.0)
        found = generate_masks(Segmenter(Blobs([(224.0, 224.0, 100.0)])), picture(400, 400), config=config)
        assert len(found) == 4
        assert all(one.crop_box[2] < 400 for one in found)

    def test_small_regions_go(self) -> None:
        class Dotted(Blobs):
            def decode(self, *args: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # type: ignore[override]
                logits, scores = super().decode(*args)  # type: ignore[arg-type]
                asked = scores[:, 0] > 0.5
                logits[asked, :, 2:4, 2:4] = 100  # an island of 8x8 input pixels
                logits[asked, :, 55:57, 55:57] = -100  # a hole
                return logits, scores

        model = Segmenter(Dotted([(224.0, 224.0, 100.0)]))
        image = picture(448, 448)
        plain = MaskGeneratorConfig(points_per_side=8, size=(448, 448), stability=0.5)

        (raw,) = generate_masks(model, image, config=plain)
        (clean,) = generate_masks(model, image, config=replace(plain, min_region_px=200))
        assert raw.mask()[12, 12]
        assert not raw.mask()[224, 224]
        assert not clean.mask()[12, 12]
        assert clean.mask()[224, 224]
        assert clean.box == mask_to_box(clean.mask())
        assert clean.area == np.count_nonzero(clean.mask())

    def test_of_things_in_like_crops_the_first_columns_stays(self) -> None:
        crops = layout_crops((400, 600), MaskGeneratorConfig(crop_layers=1))[1:]
        assert [(one.view.x0 > 0, one.view.y0 > 0) for one in crops] == [
            (False, False),
            (False, True),
            (True, False),
            (True, True),
        ]

    def test_what_a_crop_cuts_off_suppresses_nothing(self) -> None:
        class Two(Fake):
            def decode(self, *given: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # type: ignore[override]
                logits, scores = super().decode(*given)  # type: ignore[arg-type]
                logits[:] = -10
                logits[:, 1, 2:100, 2:100] = 10
                logits[:, 2, 2:112, 2:100] = 10  # the better one reaches the lower edge of the crop
                scores[:] = (0, 0.9, 0.95, 0)
                return logits, scores

        image = picture(800, 800)
        config = MaskGeneratorConfig(
            points_per_side=2, stability=0.5, size=(448, 448), crop_layers=1, skip_covered_iou=None
        )
        found = generate_masks(Segmenter(Two()), image, config=config)
        # In the whole picture and in the lower crops the lower edge is the picture's: the better one stays.
        scores = {one.crop_box[1] == 0 and one.crop_box[3] < 800: one.predicted_iou for one in found}
        assert scores[True] == pytest.approx(0.9)
        assert scores[False] == pytest.approx(0.95)

    def test_an_embedding_of_something_else_is_refused(self) -> None:
        model = Segmenter(Fake())
        image = picture(448, 448)
        for other in (
            model.encode(picture(448, 300), size=(448, 448)),
            model.encode(image, size=(448, 448), view=View(0, 0, 200, 200)),
        ):
            for call in (generate_masks, detect_edges):
                with pytest.raises(InputError, match="embedding"):
                    call(model, image, embedding=other)

    def test_an_embedding_is_used_again(self) -> None:
        runtime = Blobs([(100.0, 100.0, 50.0)])
        model = Segmenter(runtime)
        image = picture(448, 448)
        embedding = model.encode(image, size=(448, 448))
        generate_masks(model, image, config=FAST, embedding=embedding)
        assert runtime.encoded == 1


class TestRecords:
    @pytest.fixture
    def found(self) -> GeneratedMask:
        config = MaskGeneratorConfig(points_per_side=8, size=(448, 448))
        (one,) = generate_masks(Segmenter(Blobs([(224.0, 224.0, 50.0)])), picture(300, 300), config=config)
        return one

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
    def test_names_and_forms_are_sams(self, found: GeneratedMask) -> None:
        pytest.importorskip("pycocotools")
        from pycocotools import mask as coco

        record = found.record()
        names = [
            "segmentation",
            "area",
            "bbox",
            "predicted_iou",
            "point_coords",
            "stability_score",
            "crop_box",
        ]
        assert list(record) == names
        decoded = coco.decode(record["segmentation"]).astype(bool)
        assert record["area"] == decoded.sum() == coco.area(record["segmentation"])
        assert record["bbox"] == coco.toBbox(record["segmentation"]).tolist()
        assert record["crop_box"] == [0, 0, 300, 300]
        ((x, y),) = record["point_coords"]
        assert decoded[int(y), int(x)]
        assert np.array_equal(found.record(binary=True)["segmentation"], decoded)

    def test_an_entry_of_sa1b(self, found: GeneratedMask) -> None:
        entry = found.sa1b(7)
        assert entry.mask_id == 7
        assert entry.box == found.box
        assert entry.rle.area_px == entry.area_px

    def test_the_picture_shows_it(self, found: GeneratedMask) -> None:
        image = np.full((300, 300, 3), 90, np.uint8)
        drawn = draw_masks(image, [found])
        assert (drawn[found.mask()] != 90).any(axis=-1).all()
        assert (drawn[0] == 90).all()
        with pytest.raises(InputError, match="masks"):
            draw_masks(image[:100], [found])


class TestBadInput:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("points_per_side", 0),
            ("points_per_side", 2000),
            ("points_per_side", 2.5),
            ("points_per_batch", 0),
            ("crop_layers", -1),
            ("crop_layers", 9),
            ("predicted_iou", 1.2),
            ("predicted_iou", float("nan")),
            ("stability", -0.1),
            ("box_nms", 2),
            ("crop_nms", -1),
            ("skip_covered_iou", 1.5),
            ("predicted_iou", "high"),
            ("size", (100, 100)),
            ("stability_offset", float("inf")),
            ("min_region_px", -3),
        ],
    )
    def test_a_setting_out_of_range_is_named(self, name: str, value: object) -> None:
        with pytest.raises(InputError, match=name):
            MaskGeneratorConfig(**{name: value})  # type: ignore[arg-type]

    def test_a_blank_and_a_tiny_picture(self) -> None:
        model = Segmenter(Blobs([]))
        assert generate_masks(model, picture(64, 64), config=FAST) == []
        for size in ((1, 1), (1, 300), (3, 2)):
            found = generate_masks(Segmenter(Fake()), picture(*size), config=ALL)
            assert all(one.segmentation.size == size for one in found)

    @pytest.mark.parametrize("count", [1, 512])
    def test_a_grid_of_one_and_of_512(self, count: int) -> None:
        runtime = Blobs([(32.0, 32.0, 90.0)])
        config = MaskGeneratorConfig(points_per_side=count, size=(64, 64), points_per_batch=256)
        found = generate_masks(Segmenter(runtime), picture(64, 64), config=config)
        assert len(found) == 1
        assert runtime.decoded <= 300

    def test_a_picture_of_100_megapixels(self) -> None:
        config = MaskGeneratorConfig(points_per_side=4, size=(448, 448))
        image = np.zeros((10_000, 10_000, 3), np.uint8)
        (found,) = generate_masks(Segmenter(Blobs([(224.0, 224.0, 120.0)])), image, config=config)
        side = 2 * 120 * 10_000 / 448
        assert found.bbox[2] == pytest.approx(side, rel=0.02)
        assert found.area == pytest.approx(np.pi * side**2 / 4, rel=0.02)

    def test_what_is_no_picture(self) -> None:
        with pytest.raises(InputError, match="image"):
            generate_masks(Segmenter(Fake()), np.zeros((5, 5), np.uint8))


def test_stability_is_the_iou_of_two_thresholds() -> None:
    low = np.array([[3.0, 0.5, -0.5, -3.0]], np.float32)
    assert stability_score(low, 1.0) == pytest.approx(1 / 3)
    assert stability_score(np.full((2, 2), -9, np.float32), 1.0) == 0.0


def test_points_are_decoded_as_the_segmenter_decodes_them(clip_frame: NDArray[np.uint8]) -> None:

    with sam_edge.load(runtime="onnxruntime", threads=1) as model:
        embedding = model.encode(clip_frame, size=(224, 224))
        points = np.array([[200.0, 300.0], [600.0, 100.0]])
        logits, scores = model.decode_logits(embedding, points=points[:, None])
        masks = model.decode(embedding, points=points[:, None])
        for index in range(2):
            order = masks.token[index]
            assert np.allclose(logits[index][order], masks.logits[index], atol=1e-4)
            assert np.allclose(scores[index][order], masks.scores[index], atol=1e-5)


def test_a_real_picture_gives_many_masks(clip_frame: NDArray[np.uint8]) -> None:

    with sam_edge.load(runtime="onnxruntime", threads=1) as model:
        found = generate_masks(model, clip_frame, config=FAST)
    assert len(found) >= 5
    for one in found:
        assert one.segmentation.size == clip_frame.shape[:2]
        assert one.predicted_iou > FAST.predicted_iou
        assert one.box == mask_to_box(one.mask())
