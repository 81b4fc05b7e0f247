"""Fixtures that every test may use."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.media.images import read_image
from sam_edge.profile.measure.environment import read_cpu_features

if TYPE_CHECKING:
    from sam_edge.nn import Sam
    from sam_edge.segmenter import Segmenter

# Tests of the cache name a folder; others neither read nor write the user's.
os.environ["SAM_EDGE_CACHE"] = "off"

REPO = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = ("000000000009", "000000000034", "000000000036")
MODELS = Path(os.environ.get("SAM_EDGE_MODELS", REPO / ".cache" / "models"))
"""Where `.ci/fetch_models.py` puts official weights and published references."""
SHARED = Path(os.environ.get("SAM_EDGE_SHARED", REPO.parent / "shared"))
"""Development data with ground truth."""
WEIGHTS = {
    "checkpoint": MODELS / "mobile_sam.pt",
    "published_decoder": MODELS / "sam_decoder_published.onnx",
    "upstream": MODELS.parent / "upstream" / "mobile_sam",
}
"""The file or folder that each fixture of the marker `weights` needs."""
VENDOR = REPO / "sam_edge" / "serve" / "page" / "vendor" / "ort.wasm.min.mjs"
"""onnxruntime-web, which some tests of the page need."""

# No test is timed, speed is for benchmarks: a busy machine fails none.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by the fixtures that it uses: `weights` and `shared` need no marker in the test itself."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & WEIGHTS.keys():
            item.add_marker("weights")
        if "shared_dir" in fixtures:
            item.add_marker("shared")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose markers name something that is missing here; the reason says how to get it."""
    if reason := next(missing_for(item), None):
        pytest.skip(reason)


def missing_for(item: pytest.Item) -> Iterator[str]:
    """Yield what a test needs and this machine lacks, by the test's markers."""
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("weights"):
        for path in {WEIGHTS[name] for name in fixtures & WEIGHTS.keys()} or {WEIGHTS["checkpoint"]}:
            if not path.exists():
                yield f"weights: {path} is missing; get it: make models (or set SAM_EDGE_MODELS)"
    if item.get_closest_marker("shared") and not (SHARED / "data").is_dir():
        yield f"shared: {SHARED} has no development data; set SAM_EDGE_SHARED to a folder that has"
    if browser := item.get_closest_marker("browser"):
        if not (shutil.which("chromium") or shutil.which("chromium-browser")):
            yield "browser: Chromium is missing; get it: apt install chromium"
        if importlib.util.find_spec("playwright") is None:
            yield "browser: playwright is missing; get it: pip install 'sam-edge[test]'"
        if browser.kwargs.get("onnxruntime_web") and not VENDOR.is_file():
            yield "browser: onnxruntime-web is missing; get it: make page"


def sums_int8_exactly() -> bool:
    """Return whether this processor sums products of 8 bits without saturating.

    x86 without VNNI or AMX sums them in 16 bits (the documentation of ONNX Runtime, "Quantize ONNX models", and of
    oneDNN, "Nuances of int8 computations"): the 8-bit model is less accurate there.
    """
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return not x86 or any("vnni" in name or "amx" in name for name in read_cpu_features())


@pytest.fixture(scope="session")
def exact_int8() -> bool:
    """Whether this processor sums products of 8 bits without saturating."""
    return sums_int8_exactly()


@pytest.fixture(scope="session")
def repo_dir() -> Path:
    """The checkout that the tests belong to."""
    return REPO


@pytest.fixture(scope="session")
def load_script() -> Callable[[Path], types.ModuleType]:
    """Import a script by its path: benchmarks, examples and tools are no part of the package.

    As when it is run, it may import the scripts next to it.
    """

    def load(path: Path) -> types.ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look for their module there.
        sys.modules[path.stem] = module
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(path.parent))
        return module

    return load


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Development data with ground truth: the folder `shared` beside the checkout, or SAM_EDGE_SHARED."""
    return SHARED


@pytest.fixture(scope="session")
def coco_dir(shared_dir: Path) -> Path:
    """Real photographs with labels: `images` and `labels`."""
    return shared_dir / "data" / "coco128"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, driven by playwright. A test that uses it has the marker `browser`."""
    tool = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'sam-edge[test]'")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with tool.sync_playwright() as opened:
        chromium = opened.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def clip_frame() -> NDArray[np.uint8]:
    """The first frame of the clip that ships in the package: RGB (H, W, 3). A rabbit crouches in its left half."""
    from sam_edge.media.frames import open_frames

    with open_frames(REPO / "sam_edge" / "assets" / "demo" / "clip.mp4") as frames:
        return next(frames).image


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Where `.ci/fetch_models.py` puts what the tests compare with: `.cache/models`, or SAM_EDGE_MODELS."""
    return MODELS


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    """The official MobileSAM checkpoint. A test that uses it has the marker `weights`."""
    return WEIGHTS["checkpoint"]


@pytest.fixture(scope="session")
def published_decoder() -> Path:
    """SAM's prompt encoder and mask decoder with the official weights, exported by a third party."""
    return WEIGHTS["published_decoder"]


@pytest.fixture(scope="session")
def torch_model(checkpoint: Path) -> Sam:
    """The model in torch with the official weights. Shared: do not change it."""
    pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
    from sam_edge.nn import load_mobile_sam

    return load_mobile_sam(checkpoint)


@pytest.fixture(scope="session")
def reference(torch_model: Sam) -> Segmenter:
    """Fp32 torch with the official weights: what every artifact is compared with."""
    from sam_edge.runtimes import RuntimeOptions
    from sam_edge.runtimes.torch import Torch
    from sam_edge.segmenter import Segmenter

    return Segmenter(Torch(torch_model, RuntimeOptions()))


def stand_ins() -> dict[str, types.ModuleType]:
    """Modules with the few names that upstream's code imports from timm and torchvision, none of which it runs here."""
    torch = importlib.import_module("torch")

    def module(name: str, **names: Any) -> types.ModuleType:
        stand_in = types.ModuleType(name)
        vars(stand_in).update(names)
        return stand_in

    def unused(*args: object, **kwargs: object) -> None:
        raise NotImplementedError("a stand-in was called")

    modules = [
        module("timm"),
        module("timm.models"),
        module(
            "timm.models.layers",
            DropPath=torch.nn.Identity,
            to_2tuple=lambda side: side if isinstance(side, tuple) else (side, side),
            trunc_normal_=torch.nn.init.trunc_normal_,
        ),
        module("timm.models.registry", register_model=lambda function: function),
        module("torchvision"),
        module("torchvision.ops"),
        module("torchvision.ops.boxes", batched_nms=unused, box_area=unused),
        module("torchvision.transforms"),
        module("torchvision.transforms.functional", resize=unused, to_pil_image=unused),
    ]
    return {module.__name__: module for module in modules}


@pytest.fixture(scope="session")
def upstream(checkpoint: Path) -> Iterator[Any]:
    """Upstream's own MobileSAM with the official weights: `image_encoder`, `prompt_encoder`, `mask_decoder`."""
    folder = WEIGHTS["upstream"].parent
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_ins().items():
            patch.setitem(sys.modules, name, module)
        patch.syspath_prepend(folder)
        build = importlib.import_module("mobile_sam.build_sam")
        model = build.sam_model_registry["vit_t"](checkpoint=None)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    yield model.eval()
    for name in [name for name in sys.modules if name.split(".")[0] == "mobile_sam"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def original(
    repo_dir: Path, checkpoint: Path, load_script: Callable[[Path], types.ModuleType]
) -> Iterator[Any]:
    """PyPI's `segment-anything` with the official weights of MobileSAM: `benchmarks/reference_masks.py`."""
    pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
    if importlib.util.find_spec("segment_anything") is None:
        pytest.skip("needs segment-anything: pip install 'sam-edge[test]'")
    module = load_script(repo_dir / "benchmarks" / "reference_masks.py")
    before = dict(sys.modules)
    yield module
    # The stand-ins for torchvision, and what was imported with them, are not left behind.
    for name in set(sys.modules) - set(before):
        if name.partition(".")[0] in ("torchvision", "segment_anything"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def labelled_dir(repo_dir: Path) -> Path:
    """The small labelled pictures that ship in the package: `images` and `labels`."""
    return repo_dir / "sam_edge" / "assets" / "labelled"


@pytest.fixture(scope="session")
def photographs(coco_dir: Path) -> dict[str, NDArray[np.uint8]]:
    """Three photographs by name, RGB (H, W, 3): 640x480, 640x425 and 481x640."""
    return {name: read_image(coco_dir / "images" / f"{name}.jpg") for name in PHOTOGRAPHS}


@pytest.fixture(scope="session")
def rendered(repo_dir: Path, load_script: Callable[[Path], types.ModuleType]) -> types.ModuleType:
    """The module that draws faces of known gaze; the benchmark of webcam gaze uses it as well."""
    pytest.importorskip("scipy", reason="the face's mesh needs scipy: pip install 'sam-edge[test]'")
    return load_script(repo_dir / "benchmarks" / "rendered_face.py")
