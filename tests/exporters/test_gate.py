"""The gate: what it measures, what it lets pass, what it writes down."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.bundle import (
    MANIFEST,
    GraphEntry,
    Manifest,
    TensorEntry,
    describe_file,
    open_bundle,
)
from sam_edge.errors import GateError, InputError, MediaError
from sam_edge.exporters.evaluate import Agreement, compare, fingerprint, format_table, read_unlabelled_images
from sam_edge.exporters.gate import LABELLED, THRESHOLDS, Gate, Thresholds, thresholds_for
from sam_edge.exporters.image_sets import read_labelled_images
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter

SIZE = (64, 96)
GOOD = Agreement(
    images=10,
    prompts=30,
    cosine=1.0,
    worst_cosine=1.0,
    relative_error=0.0,
    logit_error=(0.0, 0.0, 0.0, 0.0),
    chosen_iou=1.0,
    token_iou=(1.0, 1.0, 1.0, 1.0),
    refined_iou=1.0,
    truth_iou=0.7,
    reference_truth_iou=0.7,
    truth_loss_error=0.0,
)
Float = NDArray[np.float32]


class Off(Fake):
    """A runtime that computes something else than the reference."""

    def __init__(self, change: Callable[[Float], Float], logits: Callable[[Float], Float]) -> None:
        super().__init__()
        self._change, self._logits = change, logits

    def encode(self, image: NDArray[np.uint8]) -> Float:
        return self._change(super().encode(image))

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        logits, scores = super().decode(embedding, points, labels, mask, has_mask)
        return self._logits(logits), scores


def same(values: Float) -> Float:
    return values


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two pictures of a bright square, labelled."""
    folder = tmp_path / "labelled"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for name, left in (("a", 20), ("b", 40)):
        image = np.full((64, 96, 3), 30, np.uint8)
        image[10:50, left : left + 30] = 220
        cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
        corners = [(left, 10), (left + 29, 10), (left + 29, 49), (left, 49)]
        words = " ".join(f"{x / 96} {y / 64}" for x, y in corners)
        (folder / "labels" / f"{name}.txt").write_text(f"0 {words}\n")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle that only the fake runtime opens."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "graph").write_bytes(b"nothing")
    tensor = TensorEntry("image", ("batch", "height", "width", 3), "uint8", "a picture")
    manifest = Manifest(
        name="fake-int8",
        model="fake",
        target="onnx",
        precision="int8",
        checkpoint_sha256="0" * 64,
        files=(describe_file(folder / "graph"),),
        graphs=(GraphEntry("encoder", "graph", 16, (tensor,), (tensor,)),),
        sizes=(),
        licence="none",
    )
    (folder / MANIFEST).write_text(manifest.to_json())
    return folder


def gate(labelled: Path, runtime: Callable[[], Fake] = Fake, **changed: object) -> Gate:
    """A gate that opens every bundle as `runtime`."""
    made = Gate(
        Segmenter(Fake()),
        labelled=labelled,
        sizes=(SIZE, (96, 96)),
        open_model=lambda folder: Segmenter(runtime()),
    )
    return dataclasses.replace(made, **changed)  # type: ignore[arg-type]


def test_what_agrees_passes_and_is_written_down(bundle: Path, labelled: Path) -> None:
    tables: list[str] = []
    made = gate(labelled, report=tables.append).check(bundle)
    assert made == open_bundle(bundle).manifest
    assert made.sizes == (SIZE, (96, 96))
    parity = made.parity
    assert parity["size"] == list(SIZE)
    assert (parity["pictures"], parity["prompts"]) == (2, 2)
    assert (parity["cosine"], parity["chosen_iou"], parity["truth_loss"]) == (1.0, 1.0, 0.0)
    assert parity["labelled_sha256"] == fingerprint(labelled)
    assert [one["size"] for one in parity["at_other_sizes"]] == [[96, 96]]
    assert (parity["missed"], parity["forced"]) == ([], False)
    assert "96x64" in tables[0]
    assert "chosen mask: IoU" in tables[0]


def upside_down(values: Float) -> Float:
    return np.ascontiguousarray(values[..., ::-1, :])


def inside_out(values: Float) -> Float:
    return -values


def nothing(values: Float) -> Float:
    return np.full_like(values, np.nan)


@pytest.mark.parametrize(
    ("change", "logits", "named"),
    [
        (upside_down, same, "cosine of the embedding"),
        (lambda values: np.float32(1.2) * values, same, "relative error of the embedding"),
        (same, inside_out, "IoU of the chosen mask"),
        (same, lambda values: values + np.where(values > 0, 3, -3).astype(np.float32), "error of the logits"),
        (nothing, same, "cosine of the embedding nan"),
        (same, nothing, "error of the logits nan"),
    ],
)
def test_what_is_off_is_stopped(
    bundle: Path,
    labelled: Path,
    change: Callable[[Float], Float],
    logits: Callable[[Float], Float],
    named: str,
) -> None:
    before = (bundle / MANIFEST).read_bytes()
    with pytest.raises(GateError, match=named) as caught:
        gate(labelled, lambda: Off(change, logits)).check(bundle)
    assert "--force" in str(caught.value)
    assert (bundle / MANIFEST).read_bytes() == before


def test_force_lets_it_pass_and_says_so(bundle: Path, labelled: Path) -> None:
    made = gate(labelled, lambda: Off(nothing, inside_out), force=True).check(bundle)
    assert made.parity["forced"] is True
    assert any("cosine" in fault for fault in made.parity["missed"])
    # What JSON has no word for is written as text, so that any reader opens the manifest.
    strict = json.loads((bundle / MANIFEST).read_text(), parse_constant=pytest.fail)
    assert strict["parity"]["cosine"] == "nan"


def test_a_further_size_can_fail_alone(bundle: Path, labelled: Path) -> None:
    def square_only() -> Off:
        return Off(lambda values: upside_down(values) if values.shape[2:] == (6, 6) else values, same)

    with pytest.raises(GateError, match="at 96x96: cosine"):
        gate(labelled, square_only).check(bundle)
    gate(labelled, square_only, sizes=(SIZE,)).check(bundle)


def test_own_thresholds_replace_those_of_the_precision(bundle: Path, labelled: Path) -> None:
    def slightly() -> Off:
        return Off(lambda values: np.float32(1.05) * values, same)

    gate(labelled, slightly).check(bundle)
    with pytest.raises(GateError, match="relative error"):
        gate(labelled, slightly, thresholds=THRESHOLDS["fp32"]).check(bundle)


@pytest.mark.parametrize("precision", THRESHOLDS)
@pytest.mark.parametrize(
    "worse",
    [
        {"worst_cosine": 0.5},
        {"relative_error": 0.5},
        {"logit_error": (0.0, 9.0, 0.0, 0.0)},
        {"chosen_iou": 0.5},
        {"token_iou": (1.0, 1.0, 1.0, 0.5)},
        {"refined_iou": 0.5},
        {"truth_iou": 0.5},
        {"chosen_iou": float("nan")},
    ],
)
def test_every_figure_counts(precision: str, worse: dict[str, float]) -> None:
    wanted = THRESHOLDS[precision]
    assert wanted.missed_by(GOOD) == []
    assert len(wanted.missed_by(dataclasses.replace(GOOD, **worse))) == 1  # type: ignore[arg-type]


def test_a_loss_of_truth_within_chance_is_no_fault() -> None:
    wanted = Thresholds(0.9, 1.0, 1.0, 0.9, 0.9, truth_loss=0.01)
    lost = dataclasses.replace(GOOD, truth_iou=0.68, truth_loss_error=0.015)
    assert wanted.missed_by(lost) == []
    assert wanted.missed_by(dataclasses.replace(lost, truth_loss_error=0.005)) != []


def test_thresholds_follow_precision_and_target(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    assert thresholds_for(manifest) == THRESHOLDS["int8"]
    # Half precision is how ONNX weights are stored, and how Core ML computes.
    stored = thresholds_for(dataclasses.replace(manifest, precision="fp16"))
    computed = thresholds_for(dataclasses.replace(manifest, precision="fp16", target="coreml"))
    assert computed.relative_error > stored.relative_error
    with pytest.raises(InputError, match="'int3' for onnx has no thresholds; known: fp32"):
        thresholds_for(dataclasses.replace(manifest, precision="int3"))


@pytest.mark.parametrize("sizes", [(), ((450, 448),), ((448, 448), (448, 20)), ((448, 448, 3),)])
def test_impossible_sizes_are_refused_at_once(labelled: Path, sizes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InputError, match="size"):
        gate(labelled, sizes=sizes)


def test_a_labelled_set_must_be_one(bundle: Path, labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labelled: no such folder"):
        gate(tmp_path / "nowhere")
    (tmp_path / "half" / "images").mkdir(parents=True)
    with pytest.raises(InputError, match="labels"):
        gate(tmp_path / "half")
    (tmp_path / "half" / "labels").mkdir()
    with pytest.raises(InputError, match="no image with an object"):
        gate(tmp_path / "half").check(bundle)
    (labelled / "images" / "a.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"a\.png"):
        gate(labelled).check(bundle)


def test_a_fingerprint_follows_every_file(labelled: Path) -> None:
    before = fingerprint(labelled)
    label = labelled / "labels" / "a.txt"
    label.write_text(label.read_text() + "0 0 0 1 0 1 1\n")
    assert fingerprint(labelled) != before


def test_pictures_without_labels_are_prompted_on_a_grid(labelled: Path) -> None:
    pictures = list(read_unlabelled_images(labelled / "images"))
    assert [picture.name for picture in pictures] == ["a", "b"]
    x, y = pictures[0].points.T
    assert sorted(set(x)) == [12, 36, 60, 84]
    assert sorted(set(y)) == [8, 24, 40, 56]
    found = compare(Segmenter(Fake()), Segmenter(Fake()), pictures, size=SIZE)
    assert (found.prompts, found.chosen_iou, found.truth_iou, found.truth_loss) == (32, 1.0, None, None)
    assert "truth_iou" not in found.summary()
    assert THRESHOLDS["fp32"].missed_by(found) == []
    assert "truth: IoU" in format_table({SIZE: found}, "this", "that")
    assert len(list(read_unlabelled_images(labelled / "images", at_most=1))) == 1


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image"):
        list(read_unlabelled_images(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        list(read_unlabelled_images(tmp_path / "nowhere"))


def test_the_package_has_a_labelled_set_of_its_own() -> None:
    pictures = list(read_labelled_images(LABELLED))
    assert len(pictures) == 10
    # Polygons of fewer than 400 pixels would silently be left out: every line drawn is counted.
    drawn = sum(len(path.read_text().splitlines()) for path in (LABELLED / "labels").iterdir())
    assert sum(len(picture.objects) for picture in pictures) == drawn == 30
    files = [path for path in LABELLED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 400_000
    notes = (LABELLED / "README.txt").read_text()
    for picture in pictures:
        assert max(picture.image.shape) <= 640
        assert f"\n{picture.name} " in notes, "its licence and origin"
    for label in (LABELLED / "labels").iterdir():
        assert (LABELLED / "images" / f"{label.stem}.jpg").is_file()
