"""Every engine, opened on the model that the package ships, or on the checkpoint."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.bundle import open_bundle
from sam_edge.geometry import Placement, View
from sam_edge.runtimes import Runtime, RuntimeOptions, open_runtime
from sam_edge.segmenter import DEFAULT_BUNDLE, load

TORCH = pytest.param("torch", marks=pytest.mark.weights)
REAL = ("onnxruntime", "openvino", TORCH)
ENGINES = (*REAL, "fake")

Opener = Callable[..., Runtime]


@pytest.fixture(scope="session")
def open_engine(request: pytest.FixtureRequest) -> Opener:
    """A function that opens an engine by name, or skips where it is not installed."""

    def opened(name: str, options: RuntimeOptions | None = None) -> Runtime:
        if name != "fake" and importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
        options = options or RuntimeOptions(threads=1)
        if name == "torch":
            path = request.getfixturevalue("checkpoint")
            return load(path, runtime="torch", threads=options.threads).runtime
        return open_runtime(open_bundle(DEFAULT_BUNDLE), name, options)

    return opened


@pytest.fixture(scope="session", params=ENGINES)
def runtime(request: pytest.FixtureRequest, open_engine: Opener) -> Iterator[Runtime]:
    """Each engine in turn, the fake one too."""
    with open_engine(request.param) as opened:
        yield opened


@pytest.fixture(scope="session", params=REAL)
def real_runtime(request: pytest.FixtureRequest, open_engine: Opener) -> Iterator[Runtime]:
    """Each engine with a model."""
    with open_engine(request.param) as opened:
        yield opened


@pytest.fixture(scope="session")
def picture(clip_frame: NDArray[np.uint8]) -> Callable[..., NDArray[np.uint8]]:
    """A function that scales the clip's frame into an encoder input: uint8 (1, height, width, 3)."""

    def made(height: int, width: int, *, flipped: bool = False) -> NDArray[np.uint8]:
        image = clip_frame[:, ::-1] if flipped else clip_frame
        return Placement(View.whole((image.shape[0], image.shape[1])), (height, width)).render(image)[None]

    return made
