"""Short plans on the fake engine, and reports with fixed values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_edge.profile.measure.cold_start import ColdStartResult
from sam_edge.profile.measure.engine_bench import EngineBench
from sam_edge.profile.measure.environment import Machine, ModelFile
from sam_edge.profile.measure.noise import MachineNoise
from sam_edge.profile.measure.session import SessionResult
from sam_edge.profile.measure.statistics import MedianRatio, summarise
from sam_edge.profile.measure.sustained import SustainedResult, SustainedSecond
from sam_edge.profile.measure.timing import TimingResult
from sam_edge.profile.measure.usage import ResourceUsage
from sam_edge.profile.operators.operator_table import Operator, OperatorTable
from sam_edge.profile.operators.peak import PeakPerformance
from sam_edge.profile.plan import EngineConfig, ProfilePlan, TimingCase
from sam_edge.profile.report.report import ProfileReport
from sam_edge.segmenter import DEFAULT_BUNDLE

FAKE = EngineConfig(DEFAULT_BUNDLE, "fake", None, 1)
MakeRow = Callable[..., TimingResult]
MakeReport = Callable[..., ProfileReport]


@pytest.fixture
def fake() -> EngineConfig:
    """The model in the package, on the fake engine."""
    return FAKE


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProfilePlan:
    """Everything, as short as it can be, on the fake engine, which tests may change: it is timed in this process."""
    monkeypatch.setattr("sam_edge.profile.measure.timing.SubprocessBench", EngineBench)
    frames = tmp_path / "clip"
    frames.mkdir()
    for index in range(8):
        image = np.full((96, 128, 3), 40, np.uint8)
        cv2.circle(image, (40 + 2 * index, 48), 20, (60, 200, 220), -1)
        cv2.imwrite(str(frames / f"{index:05d}.png"), image)
    gaze = tmp_path / "gaze.csv"
    lines = ["timestamp_s,x_px,y_px,confidence"]
    lines += [f"{index / 200:.4f},{40 + 48 * index / 200:.2f},48,1" for index in range(70)]
    gaze.write_text("\n".join(lines) + "\n")
    return ProfilePlan(
        (FAKE,),
        sizes=((64, 64),),
        prompts=(1, 2),
        first_size_prompts=(),
        rounds=2,
        block_ms=0.1,
        cold_starts=1,
        sustained_s=0.05,
        video=frames,
        gaze=gaze,
    )


@pytest.fixture
def make_row() -> MakeRow:
    """Make what was timed: samples of an engine."""

    def make(
        *samples_ms: float, engine: EngineConfig = FAKE, prompts: int = 0, error: str | None = None
    ) -> TimingResult:
        rounds = tuple(range(len(samples_ms)))
        summary = summarise(samples_ms)
        return TimingResult(
            case=TimingCase(engine, (448, 672), prompts),
            actual_precision="int8",
            total=summary,
            inference=summary,
            samples_ms=samples_ms,
            rounds=rounds,
            usage=ResourceUsage(1.0, 1.5, 10, 2, None),
            error=error,
        )

    return make


@pytest.fixture
def make_report(make_row: MakeRow) -> MakeReport:
    """Make a report by hand; every part of it holds something."""
    operators = (
        Operator("qkv <1>", "MatMul", "matrix products", "stage 1", "fp32", 900.0, 2e7, 1e5, "compute", 0.5),
        Operator(
            "softmax", "Softmax", "normalisation, softmax", "stage 1", "fp32", 100.0, 1e4, 8e4, "memory", 0.3
        ),
    )
    summary = summarise([4.0, 5.0, 6.0])
    assert summary is not None

    def make(*rows: TimingResult, interrupted: str | None = None, cpu: str = "Test CPU") -> ProfileReport:
        return ProfileReport(
            started_at="2026-01-01T00:00:00+00:00",
            duration_s=12.0,
            interrupted=interrupted,
            machine=Machine(
                cpu, 2, 4, ("avx2",), None, None, 8e3, "Linux", "3.11", "0.1.0", {"numpy": "2.0"}, None
            ),
            models=(ModelFile("mobile_sam", "mobile_sam-int8", "int8", "onnx", "ab" * 32, 11.7, {"a": "b"}),),
            noise=MachineNoise(2, 0.01, 1.01, 1.0, 0.2, busy=False),
            notes=("energy: <none>",),
            cold_starts=(
                ColdStartResult(
                    FAKE,
                    (448, 672),
                    1,
                    "int8",
                    {"import": 100.0, "open": 20.0},
                    130.0,
                    {"import": 60.0, "peak": 90.0},
                ),
                ColdStartResult(FAKE, (448, 672), 0, error="broken"),
            ),
            timings=rows or (make_row(10.0, 11.0, 12.0), make_row(prompts=1, error="no decoder")),
            sessions=(
                SessionResult(
                    FAKE, "live", 3, (96, 128), 24.0, 1, {"total": summary}, summary, {"encoded": 3}
                ),
            ),
            traces={},
            sustained=(
                SustainedResult(
                    FAKE,
                    (448, 672),
                    tuple(SustainedSecond(i + 1.0, 9, 10.0 + i, 2000.0, 50.0, 4.0) for i in range(6)),
                    MedianRatio(1.2, 1.1, 1.3),
                    throttles=True,
                    usage=ResourceUsage(6.0, 6.0, 1, 1, 12.0),
                ),
            ),
            peaks=(PeakPerformance(1, {"fake": {"fp32": 100.0}}, 20.0),),
            operators=(OperatorTable(FAKE, (448, 672), "encode", 5, 1.1, operators),),
        )

    return make
