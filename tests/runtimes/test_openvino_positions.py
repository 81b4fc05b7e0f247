"""Positions of prompts as a model of their own: what it computes, and that the rest computes what the whole did."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'sam-edge[openvino]'")

import openvino

from sam_edge.runtimes.openvino_positions import PLACED, POINTS, split_positions
from sam_edge.segmenter import DEFAULT_BUNDLE, load

EXACT = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
PROMPTS = np.array([[[100.25, 30.5], [0, 0]], [[650, 440], [333.3, 7]]], np.float32)
LABELS = np.array([[1, -1], [2, 3]], np.int32)


def read(name: str) -> Any:
    """Read a graph of the package's bundle."""
    return openvino.Core().read_model(str(DEFAULT_BUNDLE / name))


def run(model: Any, feed: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Compile in fp32 and run once."""
    made = openvino.Core().compile_model(model, "CPU", EXACT)(feed)
    return [np.array(made[port]) for port in range(len(model.outputs))]


def feed_of(model: Any) -> dict[str, NDArray[Any]]:
    """Make an input for every input of a decoder that has the name of one."""
    generator = np.random.default_rng(4)
    every = {
        "embedding": generator.normal(size=(1, 256, 14, 28)).astype(np.float32) * 0.1,
        "points": PROMPTS,
        "labels": LABELS,
        "mask": generator.normal(size=(2, 1, 56, 112)).astype(np.float32),
        "has_mask": np.array([1, 0], np.float32),
    }
    names = {name for given in model.inputs for name in given.get_names()}
    return {name: value for name, value in every.items() if name in names}


@pytest.mark.parametrize("name", ["decoder.onnx", "decoder_points.onnx"])
def test_the_parts_compute_what_the_whole_does(name: str) -> None:
    whole, rest = read(name), read(name)
    positions = split_positions(rest)
    assert positions is not None
    feed = feed_of(whole)
    placed = run(positions, {POINTS: PROMPTS})[0]
    for got, expected in zip(run(rest, {**feed, PLACED: placed}), run(whole, feed), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4)
    elsewhere = run(rest, {**feed, PLACED: -placed})[0]
    assert np.abs(elsewhere - run(whole, feed)[0]).max() > 1, "the rest does not use what it is given"


def test_features_are_sines_and_cosines_of_the_place() -> None:
    """Angles are a projection of the place on SAM's canvas of 1024 pixels, times two pi: (sin, cos) squared sum to 1,
    and twice the way turns every angle twice as far."""
    positions = split_positions(read("decoder_points.onnx"))
    steps = np.array([[[511.5, 511.5], [521.5, 511.5], [531.5, 511.5]]], np.float32)
    features = run(positions, {POINTS: steps})[0].astype(np.float64)
    sines, cosines = features[..., :128], features[..., 128:]
    np.testing.assert_allclose(sines**2 + cosines**2, 1, atol=1e-5)
    np.testing.assert_allclose(sines[0, 0], 0, atol=1e-5)
    angles = np.angle(cosines + 1j * sines)
    np.testing.assert_allclose(np.angle(np.exp(1j * (2 * angles[0, 1] - angles[0, 2]))), 0, atol=1e-4)
    assert 0.01 < np.abs(angles[0, 1]).mean() < math.pi


def test_a_graph_without_points_is_left_alone() -> None:
    encoder = read("encoder.onnx")
    before = [one.get_friendly_name() for one in encoder.get_ops()]
    assert split_positions(encoder) is None
    assert [one.get_friendly_name() for one in encoder.get_ops()] == before


def test_bf16_places_a_prompt_as_f32_does() -> None:
    """With positions in bf16 the logits were off by some two; what is left is the rounding of everything else."""
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16")
    embedding = np.random.default_rng(4).normal(size=(1, 256, 28, 42)).astype(np.float32) * 0.1
    points = np.array([[[611.25, 30.5], [0, 0]]], np.float32)
    blank = np.zeros((1, 1, 112, 168), np.float32)
    made = {}
    for precision in ("fp32", "bf16"):
        with load(runtime="openvino", precision=precision, threads=1) as model:
            given = (points, np.array([[1, -1]], np.int32), blank, np.zeros(1, np.float32))
            made[precision] = model.runtime.decode(embedding, *given)[0]
    error = np.abs(made["bf16"] - made["fp32"]).mean() / np.abs(made["fp32"]).mean()
    assert 0 < error < 0.05
