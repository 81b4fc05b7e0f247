"""The follower's graph: it computes what torch does, and a bundle that has it is followed with on both engines."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from sam_edge.bundle import FOLLOWER, open_bundle
from sam_edge.errors import EngineError, GateError
from sam_edge.exporters import follower as exporter
from sam_edge.exporters.follower import INPUTS, SIDE, add_follower, trace_follower
from sam_edge.nn import Sam, mobile_sam
from sam_edge.nn.follower import Follower, FollowerGraph
from sam_edge.nn.follower_weights import load_follower
from sam_edge.runtimes import open_runtime
from sam_edge.runtimes.base import FollowerBatch, Runtime
from sam_edge.segmenter import DEFAULT_BUNDLE

ENGINES = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def model() -> Sam:
    torch.manual_seed(0)
    return mobile_sam().eval()


@pytest.fixture(scope="module")
def follower() -> Follower:
    torch.manual_seed(1)
    follower = Follower().eval()
    for parameter in follower.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return follower


@pytest.fixture(scope="module")
def bundle(model: Sam, follower: Follower, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("follower") / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    add_follower(folder, model, follower)
    return folder


def crops(batch: int) -> FollowerBatch:
    rng = np.random.default_rng(batch)
    keys = rng.normal(size=(2, batch, 2, (SIDE // 8) ** 2, 28)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=-1, keepdims=True)
    masks = rng.random((2, batch, SIDE // 2, SIDE // 2)).astype(np.float32)
    return FollowerBatch(
        image=rng.integers(0, 256, (batch, SIDE, SIDE, 3)).astype(np.uint8),
        carried=rng.normal(0, 4, (batch, SIDE // 2, SIDE // 2)).astype(np.float32),
        trusted_keys=keys[0],
        trusted_mask=masks[0],
        before_keys=keys[1],
        before_mask=masks[1],
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [1, 3])
def test_an_engine_computes_what_torch_does(
    model: Sam, follower: Follower, bundle: Path, engine: str, batch: int
) -> None:
    pytest.importorskip(engine)
    feed = crops(batch).feed()
    with torch.inference_mode():
        exact = FollowerGraph(model, follower).eval()(*(torch.from_numpy(feed[name]) for name in INPUTS))
    with open_runtime(open_bundle(bundle), engine) as runtime:
        found = runtime.follow(crops(batch))
    for value, expected in zip(found, exact, strict=True):
        scale = float(expected.abs().max())
        np.testing.assert_allclose(value, expected.numpy(), atol=0.03 * scale)


def test_the_manifest_names_the_graph_once(model: Sam, follower: Follower, bundle: Path) -> None:
    add_follower(bundle, model, follower)
    manifest = open_bundle(bundle).manifest
    (entry,) = manifest.graphs_of(FOLLOWER)
    assert entry.multiple_of == SIDE
    assert [file.path for file in manifest.files].count(entry.file) == 1
    assert sum(file.bytes for file in manifest.files if file.path == entry.file) < 1_500_000


def test_a_graph_that_lost_too_much_is_not_added(
    model: Sam, follower: Follower, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (bundle / exporter.FILE).read_bytes()
    monkeypatch.setattr(exporter, "trace_follower", lambda *_: trace_follower(model, Follower()))
    with pytest.raises(GateError, match="mean IoU"):
        add_follower(bundle, model, follower)
    assert (bundle / exporter.FILE).read_bytes() == before


def test_an_engine_without_a_follower_says_so(bundle: Path) -> None:
    with (
        open_runtime(open_bundle(bundle), "fake") as runtime,
        pytest.raises(EngineError, match="no follower"),
    ):
        Runtime.follow(runtime, crops(1))


def test_the_weights_beside_the_exporter_are_those_of_the_bundle() -> None:
    """`make assets` exports from them: what the bundle stores in half precision is the same, bit for bit."""
    stored = {
        item.name: numpy_helper.to_array(item)
        for item in onnx.load(DEFAULT_BUNDLE / exporter.FILE).graph.initializer
    }
    weights = load_follower(Path(exporter.__file__).parent / "follower.safetensors").state_dict()
    compared = {
        name: values
        for name, values in weights.items()
        if f"follower.{name}_f16" in stored and values.ndim == 4
    }
    assert len(compared) > 10
    for name, values in compared.items():
        np.testing.assert_array_equal(values.numpy(), stored[f"follower.{name}_f16"].astype(np.float32))
