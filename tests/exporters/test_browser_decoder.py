"""The decoder for browsers gives what the decoder that it is made from gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.bundle import open_bundle
from sam_edge.errors import BundleError, ExportError
from sam_edge.segmenter import DEFAULT_BUNDLE, Embedding, Segmenter, load

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")

import onnxruntime  # noqa: E402

from sam_edge.exporters.browser_decoder import (  # noqa: E402
    BROWSER_DECODER,
    add_browser_decoder,
    build_browser_decoder,
)

Float = NDArray[np.float32]
CHOSEN_IOU = {False: 0.995, True: 0.98}
"""By whether the last products multiply in 8 bits."""


@pytest.fixture(scope="module")
def model() -> Segmenter:
    return load(runtime="onnxruntime", threads=1)


@pytest.fixture(scope="module")
def embedding(model: Segmenter, clip_frame: NDArray[np.uint8]) -> Embedding:
    return model.encode(clip_frame, size=(448, 672))


def opened(path: Path) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def prompts() -> tuple[Float, NDArray[np.int32]]:
    """Three prompts of three points each on the rabbit and beside it, in input pixels."""
    points = np.array(
        [[[190, 250], [230, 300], [0, 0]], [[210, 200], [60, 60], [0, 0]], [[100, 100], [330, 370], [0, 0]]]
    )
    labels = np.array([[1, 1, -1], [1, 0, -1], [2, 3, -1]])
    return points.astype(np.float32), labels.astype(np.int32)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


@pytest.mark.parametrize("in_8_bits", [False, True])
def test_it_decodes_as_the_decoder_it_is_made_from(
    tmp_path: Path, embedding: Embedding, in_8_bits: bool
) -> None:
    shutil.copy(DEFAULT_BUNDLE / "decoder.weights", tmp_path)
    source = onnx.load(DEFAULT_BUNDLE / "decoder_points.onnx", load_external_data=False)
    made = build_browser_decoder(source, DEFAULT_BUNDLE, in_8_bits=in_8_bits)
    (tmp_path / "made.onnx").write_bytes(made.SerializeToString())
    points, labels = prompts()
    feed = {"embedding": embedding.data, "points": points, "labels": labels}
    expected, expected_scores = opened(DEFAULT_BUNDLE / "decoder_points.onnx").run(None, feed)
    logits, scores = opened(tmp_path / "made.onnx").run(None, feed)
    assert logits.shape == expected.shape
    np.testing.assert_allclose(scores, expected_scores, atol=0.02)
    for prompt, best in enumerate(expected_scores.argmax(axis=1)):
        assert iou(logits[prompt, best] > 0, expected[prompt, best] > 0) > CHOSEN_IOU[in_8_bits]


def test_one_graph_serves_every_size(model: Segmenter, clip_frame: NDArray[np.uint8]) -> None:
    session = opened(DEFAULT_BUNDLE / f"{BROWSER_DECODER}.onnx")
    points, labels = prompts()
    for size in ((448, 448), (224, 672)):
        data = model.encode(clip_frame, size=size).data
        feed = {"embedding": data, "points": points[:1] / 2, "labels": labels[:1]}
        logits, scores = session.run(None, feed)
        rows, columns = (4 * side for side in data.shape[2:])
        assert logits.shape == (1, 4, rows, columns)
        assert scores.shape == (1, 4)


def test_the_bundle_in_the_package_holds_the_graph_as_it_is_made_today(tmp_path: Path) -> None:
    source = onnx.load(DEFAULT_BUNDLE / "decoder_points.onnx", load_external_data=False)
    made = build_browser_decoder(source, DEFAULT_BUNDLE)
    shipped = onnx.load(DEFAULT_BUNDLE / f"{BROWSER_DECODER}.onnx", load_external_data=False)
    assert [node.op_type for node in shipped.graph.node] == [node.op_type for node in made.graph.node]
    assert {one.name for one in shipped.graph.initializer} == {one.name for one in made.graph.initializer}


def test_adding_it_twice_leaves_one(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    (folder / f"{BROWSER_DECODER}.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="damaged"):
        add_browser_decoder(folder)
    shutil.rmtree(folder)
    shutil.copytree(DEFAULT_BUNDLE, folder)
    for _ in range(2):
        manifest = add_browser_decoder(folder).manifest
    assert [graph.file for graph in manifest.graphs_of(BROWSER_DECODER)] == [f"{BROWSER_DECODER}.onnx"]
    assert len({file.path for file in manifest.files}) == len(manifest.files)
    assert open_bundle(folder).manifest == manifest


def test_another_graph_is_refused() -> None:
    encoder = onnx.load(DEFAULT_BUNDLE / "encoder.onnx", load_external_data=False)
    with pytest.raises(ExportError, match="none that this version exported"):
        build_browser_decoder(encoder, DEFAULT_BUNDLE)
