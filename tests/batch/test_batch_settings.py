"""Settings and their fingerprint, shards, limits, and the line of progress."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.batch import Outcome, Recording, Settings
from sam_edge.batch.limits import MaxFailures
from sam_edge.batch.progress import ProgressLine, Tally, describe_time
from sam_edge.batch.settings import HOW
from sam_edge.batch.shard import Shard
from sam_edge.batch.unit import longest_first
from sam_edge.cli.batch import parse_bytes
from sam_edge.errors import InputError

OTHER: dict[str, Any] = {
    "do": ("events",),
    "model": "other",
    "model_sha256": "1",
    "runtime": "fake",
    "precision": "bf16",
    "size": (448, 448),
    "format": "csv",
    "recording_name": "P2 R1",
    "min_confidence": 0.5,
    "fps": 25.0,
    "px_per_deg": 20.0,
    "fixations_from": "detector",
    "margin_deg": 1.0,
    "min_on_object": 0.6,
    "max_off_ms": 100.0,
    "sections": ("a=0..1",),
    "exports": ("bids",),
    "video": True,
    "version": "9",
    "results": 99,
    "threads": 3,
    "memory_bytes": 5,
    "scratch": "x",
    "timeout_factor": 2.0,
    "min_timeout_s": 1.0,
}
"""Another value of every field."""


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_the_fingerprint_holds_what_changes_results(name: str) -> None:
    changed = replace(Settings(), **{name: OTHER[name]})
    assert (changed.fingerprint() != Settings().fingerprint()) == (name not in HOW)


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_settings_survive_json(name: str) -> None:
    settings = replace(Settings(), **{name: OTHER[name]})
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(InputError, match="settings: colour are not known"):
        Settings.from_json({"colour": 1})


def test_resolved_settings_name_engine_format_and_model() -> None:
    settings = Settings(runtime="onnxruntime").resolve()
    assert (settings.runtime, settings.precision, len(settings.model_sha256)) == ("onnxruntime", "fp32", 64)
    assert settings.resolve() == settings
    assert Settings().resolve().runtime in ("openvino", "onnxruntime")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"do": ()}, "do: nothing is asked for"),
        ({"do": ("walk",)}, "do: 'walk'; accepted: track, aoi, events"),
        ({"do": ("aoi", "aoi")}, "a name stands twice"),
        ({"do": ("track",), "exports": ("bids",)}, "exports: bids are made by `aoi`"),
        ({"threads": 0}, "threads: 0 is not accepted"),
        ({"margin_deg": -1.0}, "margin_deg: -1.0"),
        ({"sections": ("x",)}, "section: "),
    ],
)
def test_settings_that_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**values)


def test_a_timeout_grows_with_the_recording() -> None:
    settings = Settings()
    assert (settings.timeout_s(None), settings.timeout_s(1.0), settings.timeout_s(3600.0)) == (
        600,
        600,
        72000,
    )


@given(st.integers(1, 12), st.lists(st.floats(0, 1e5), max_size=60))
def test_shards_are_all_recordings_once(count: int, durations: list[float]) -> None:
    recordings = longest_first(Recording(f"{i}", f"/{i}", duration_s=d) for i, d in enumerate(durations))
    parts = [Shard(number, count).choose(recordings) for number in range(1, count + 1)]
    assert sorted(each.id for part in parts for each in part) == sorted(each.id for each in recordings)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4"])
def test_shards_that_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"shard: .*give I/N"):
        Shard.parse(text)


def test_limits_of_failures() -> None:
    assert MaxFailures.parse("0").allows(0, 10)
    assert not MaxFailures.parse("0").allows(1, 10)
    assert MaxFailures.parse("5%").allows(5, 100)
    assert not MaxFailures.parse("5%").allows(6, 100)
    for text in ("-1", "101%", "x", "5 %%"):
        with pytest.raises(InputError, match=r"max_failures: .*give a number such as 3"):
            MaxFailures.parse(text)


def test_sizes_of_memory() -> None:
    assert [parse_bytes(text) for text in ("2G", "1.5GB", "800M", "3GiB")] == [
        2_000_000_000,
        1_500_000_000,
        800_000_000,
        3_000_000_000,
    ]
    with pytest.raises(InputError, match="memory: '2'"):
        parse_bytes("2")


def test_an_outcome_survives_json() -> None:
    outcome = Outcome("a", "failed", "media", "broken", attempts=2, host="h", peak_memory_mb=1.5, log="l")
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome
    with pytest.raises(ValueError, match="class of errors 'weather'"):
        Outcome.from_json({**outcome.to_json(), "error_class": "weather"})


def test_the_line_of_progress() -> None:
    tally = Tally(total=10, total_cost=100.0, settled=4, settled_cost=50.0, failed=1, frames=600)
    assert tally.describe(60.0) == "4/10 recordings, 10.0 frames/s, 60 s left, 1 failed"
    assert Tally(10, 100.0).describe(5.0) == "0/10 recordings, 0 failed"
    log = io.StringIO()
    with ProgressLine(tally, stream=log) as line:
        line.message("failed: x")
        line.update()
    lines = log.getvalue().splitlines()
    assert lines[0] == "failed: x"
    assert lines[1].startswith("batch: 4/10 recordings, ")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "3 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1 h 30 min"), (200_000, "2 d 7 h")],
)
def test_times(seconds: float, text: str) -> None:
    assert describe_time(seconds) == text
