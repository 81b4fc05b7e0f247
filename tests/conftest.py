"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo_dir() -> Path:
    """The checkout that the tests belong to."""
    return REPO


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Development data with ground truth: the folder `shared` beside the checkout, or SAM_EDGE_SHARED."""
    folder = Path(os.environ.get("SAM_EDGE_SHARED", REPO.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"development data is not here: {folder} (set SAM_EDGE_SHARED)")
    return folder
