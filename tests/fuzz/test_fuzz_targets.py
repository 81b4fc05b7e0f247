"""Every fuzz target reads its seeds, withstands what once broke it, and some changed inputs."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.fuzz.mutations import make_inputs
from tests.fuzz.registry import targets
from tests.fuzz.target import CRASHERS, FuzzTarget

CHANGED_INPUTS = 150


@pytest.mark.parametrize("name", targets())
class TestTarget:
    def test_reads_some_of_its_seeds(self, name: str) -> None:
        accepted = [targets()[name].try_input(data) for data in targets()[name].seeds()]
        assert any(accepted)

    def test_withstands_what_once_broke_it(self, name: str) -> None:
        for data in targets()[name].crashers():
            targets()[name].try_input(data)

    def test_withstands_changed_inputs(self, name: str) -> None:
        target = targets()[name]
        for data in islice(make_inputs(target.inputs(), seed=7), CHANGED_INPUTS):
            target.try_input(data)


def test_every_folder_of_crashers_is_a_targets() -> None:
    assert {path.name for path in CRASHERS.iterdir() if path.is_dir()} <= set(targets())


def test_a_parser_that_raises_something_else_is_found() -> None:
    target = FuzzTarget("broken", lambda data: 1 // len(data), lambda: [b"x"])
    assert target.try_input(b"x")
    with pytest.raises(ZeroDivisionError):
        target.try_input(b"")
