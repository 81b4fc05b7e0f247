"""What `import sam_edge` takes: the base install, and nothing that is large or belongs to an extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXTRAS = (
    "torch", "openvino", "onnx", "onnxscript", "onnx_ir", "nncf", "coremltools", "safetensors", "scipy", "pandas",
    "matplotlib", "PIL", "zmq", "msgpack", "pylsl", "websockets", "starlette", "uvicorn", "timm", "torchvision",
)  # fmt: skip
"""Libraries that a base install has not."""
LATER = ("onnxruntime",)
"""A library of the base install that is imported when a model is opened."""


def python(code: str, *, first: Path | None = None) -> str:
    """Run code in a fresh interpreter, with a folder first on its path; warnings are errors."""
    code = f"import sys\nsys.path[:0] = [{str(first)!r}]\n{code}" if first else code
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def base_install(tmp_path: Path) -> Path:
    """A folder that, first on the path, makes every extra library look as if it were not installed."""
    for name in EXTRAS:
        (tmp_path / f"{name}.py").write_text(
            f"raise ModuleNotFoundError('No module named {name}', name='{name}')\n", encoding="utf-8"
        )
    return tmp_path


@pytest.mark.parametrize("module", ["sam_edge", "sam_edge.gaze", "sam_edge.runtimes", "sam_edge.cli"])
def test_importing_takes_in_no_extra_and_opens_no_engine(module: str) -> None:
    loaded = python(f"import sys, {module}\nprint(*sys.modules)").split()
    assert module in loaded
    assert not {name.split(".")[0] for name in loaded} & {*EXTRAS, *LATER}


def test_the_base_install_segments(base_install: Path) -> None:
    """Without a single extra: the embedded model opens, encodes and decodes."""
    said = python(
        "import numpy as np, sam_edge\n"
        "image = np.zeros((224, 224, 3), np.uint8)\n"
        "image[60:160, 60:160] = 255\n"
        "with sam_edge.load(runtime='onnxruntime') as model:\n"
        "    masks = model.segment(image, points=[[110, 110]], size=(224, 224))\n"
        "print(masks.best[60:160, 60:160].mean(), masks.best.mean())\n",
        first=base_install,
    )
    inside, everywhere = (float(word) for word in said.split())
    assert inside > 0.9
    assert everywhere < 0.5


@pytest.mark.parametrize(
    ("code", "library", "extra"),
    [
        ("import sam_edge.nn", "torch", "export"),
        ("import sam_edge; sam_edge.load('weights.pt')", "torch", "export"),
        ("import sam_edge; sam_edge.load('weights.safetensors', runtime='torch')", "torch", "export"),
    ],
)
def test_what_needs_an_extra_names_it(base_install: Path, code: str, library: str, extra: str) -> None:
    said = python(
        "import sam_edge\n"
        "try:\n"
        f"    exec({code!r})\n"
        "except sam_edge.MissingExtraError as error:\n"
        "    print(error)\n",
        first=base_install,
    )
    assert f"pip install 'sam-edge[{extra}]'" in said
    assert library in said


def test_importing_changes_nothing_global() -> None:
    """No threads, no warnings filter, no logging handler, no environment variable."""
    python(
        "import logging, os, sys, threading, warnings\n"
        "import cv2, numpy\n"
        "def state():\n"
        "    return (threading.active_count(), list(warnings.filters), list(logging.root.handlers),\n"
        "            logging.root.level, dict(os.environ), numpy.geterr(), cv2.getNumThreads(), sys.excepthook)\n"
        "before = state()\n"
        "import sam_edge, sam_edge.gaze, sam_edge.cli\n"
        "after = state()\n"
        "assert before == after, (before, after)\n"
    )
