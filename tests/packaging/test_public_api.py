"""The public API is the one that is written down: a change is made on purpose, by `public_api.py --write`."""

from __future__ import annotations

import importlib.util
import types
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("public_api.py")


@pytest.fixture(scope="module")
def public_api(load_script: Callable[[Path], types.ModuleType]) -> types.ModuleType:
    """The script that describes the API."""
    return load_script(SCRIPT)


def test_the_api_is_the_one_that_is_written_down(public_api: types.ModuleType) -> None:
    stored = public_api.read_snapshot()
    changed = []
    for name in public_api.list_packages():
        try:
            text = public_api.describe_package(name)
        except ImportError:
            continue  # the library of an extra is not installed
        if text != stored.pop(name, ""):
            changed.append(name)
    assert not changed, "update tests/packaging/public_api.txt: python tests/packaging/public_api.py --write"
    missing = [name for name in stored if importlib.util.find_spec(name) is None]
    assert not missing, "packages in public_api.txt that are gone"
