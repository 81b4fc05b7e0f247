"""What is read of the machine: energy, power, noise, environment, cold processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sam_edge.profile.measure import noise
from sam_edge.profile.measure.cold_start import (
    ColdStartResult,
    describe_failure,
    measure_cold_starts,
    summarise_starts,
)
from sam_edge.profile.measure.energy import EnergyMeter, RaplZone, open_energy
from sam_edge.profile.measure.engine_bench import make_benchmark_frame, make_benchmark_points
from sam_edge.profile.measure.environment import describe_model, gather_machine, git_commit, read_cpu_features
from sam_edge.profile.measure.failures import MAX_CHARACTERS, describe_error
from sam_edge.profile.measure.noise import MachineNoise, NoiseMeter
from sam_edge.profile.measure.power import PowerMeter, battery_watts, parse_powermetrics
from sam_edge.profile.measure.statistics import MedianRatio
from sam_edge.profile.measure.sustained import SustainedResult, compare_thirds, read_celsius
from sam_edge.profile.measure.timed_runtime import open_timed
from sam_edge.profile.measure.usage import ResourceUsage, UsageMeter
from sam_edge.profile.operators.peak import measure_peak
from sam_edge.profile.plan import EngineConfig
from sam_edge.segmenter import DEFAULT_BUNDLE


def package(root: Path, name: str, energy_uj: int, wraps_uj: int = 10_000_000) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{wraps_uj}\n")
    return folder / "energy_uj"


def test_packages_are_added_up_and_their_parts_are_not(tmp_path: Path) -> None:
    counter = package(tmp_path, "intel-rapl:0", 1_000_000)
    package(tmp_path, "intel-rapl:1", 3_000_000)
    package(tmp_path, "intel-rapl:0:0", 900_000)
    meter, notes = open_energy(tmp_path)
    assert meter is not None
    assert notes == []
    usage = UsageMeter(meter)
    assert meter.joules() == 4.0
    counter.write_text("2500000\n")
    assert usage.lap().joules == pytest.approx(1.5)
    counter.unlink()
    assert usage.lap().joules is None


def test_a_counter_that_begins_again(tmp_path: Path) -> None:
    meter = EnergyMeter([RaplZone(package(tmp_path, "intel-rapl:0", 0), 10_000_000)])
    assert meter.difference(9.5, 0.5) == pytest.approx(1.0)


def test_no_counters_and_no_leave_are_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_energy(tmp_path / "absent")[0] is None
    assert "no RAPL" in open_energy(tmp_path)[1][0]
    package(tmp_path, "intel-rapl:0", 5)

    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    meter, notes = open_energy(tmp_path)
    assert meter is None
    assert "sudo chmod" in notes[0]


def test_batteries(tmp_path: Path) -> None:
    def supply(name: str, **values: object) -> None:
        (tmp_path / name).mkdir()
        for key, value in values.items():
            (tmp_path / name / key).write_text(f"{value}\n")

    assert battery_watts(tmp_path) is None
    supply("AC", type="Mains", online=1)
    supply("BAT0", type="Battery", status="Charging", power_now=9_000_000)
    assert battery_watts(tmp_path) is None
    supply("BAT1", type="Battery", status="Discharging", power_now=7_500_000)
    supply("BAT2", type="Battery", status="Discharging", current_now=-500_000, voltage_now=4_000_000)
    assert battery_watts(tmp_path) == pytest.approx(7.5 + 2.0)
    with PowerMeter(tmp_path) as meter:
        assert meter.watts() == pytest.approx(9.5)


def test_what_powermetrics_prints() -> None:
    assert parse_powermetrics("Combined Power (CPU + GPU + ANE): 1234 mW\n") == 1.234
    assert parse_powermetrics("CPU Power: 900 mW\n") is None


def test_sensors(tmp_path: Path) -> None:
    assert read_celsius(tmp_path) is None
    for index, value in enumerate(("41000", "56500", "broken")):
        (tmp_path / f"thermal_zone{index}").mkdir()
        (tmp_path / f"thermal_zone{index}" / "temp").write_text(value)
    assert read_celsius(tmp_path) == 56.5


def test_throttling_is_the_last_third_over_the_first() -> None:
    times = [10.0] * 30 + [12.0] * 30 + [15.0] * 30
    number = [index // 10 for index in range(90)]
    result = compare_thirds(times, number, 9)
    assert result is not None
    assert (result.value, result.low) == (1.5, 1.5)
    assert compare_thirds(times, number, 2) is None


def test_a_machine_that_others_use_is_not_said_to_throttle(fake: EngineConfig) -> None:
    slower_by = MedianRatio(1.5, 1.4, 1.6)
    assert SustainedResult(fake, (64, 64)).verdict == ""
    assert SustainedResult(fake, (64, 64), slowdown=slower_by, throttles=True).verdict == "throttling"
    busy = SustainedResult(fake, (64, 64), slowdown=slower_by, throttles=False, other_cpu_share=0.4)
    assert busy.verdict == "slower, but other processes used 40 % of the cores: measure again when idle"
    assert SustainedResult(fake, (64, 64), slowdown=MedianRatio(1.5, 0.9, 2.0)).verdict == "no throttling"


def test_a_busy_machine_is_told_from_a_quiet_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"

    def ticks(user: int, idle: int, steal: int) -> None:
        stat.write_text(f"cpu  {user} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 1 2 3\n")

    monkeypatch.setattr(noise, "PROC_STAT", stat)
    monkeypatch.setattr(noise, "process_tree_s", lambda: 0.0)
    ticks(100, 900, 0)
    meter = NoiseMeter()
    ticks(100, 1900, 0)
    assert meter.noise().other_cpu_share == 0
    ticks(150, 1900, 250)
    result = meter.noise()
    assert result.other_cpu_share == pytest.approx(300 / 1300)
    assert result.busy
    assert "other processes used 23 %" in str(result.note())


def test_a_quiet_machine_needs_no_note() -> None:
    assert MachineNoise(9, 0.0, 1.01, 1.0, 0.1, busy=False).note() is None


def test_noise_is_looked_at_once_a_round() -> None:
    meter = NoiseMeter()
    for _ in range(4):
        meter.check()
    result = meter.noise()
    assert result.checks == 4
    assert result.reference_spread is not None
    assert result.reference_spread >= 1


def test_usage_adds_up() -> None:
    first, second = ResourceUsage(2.0, 3.0, 5, 1, 4.0), ResourceUsage(1.0, 1.0, 2, None, None)
    both = first + second
    assert both == ResourceUsage(3.0, 4.0, 7, None, None)
    assert first.cores == 1.5
    assert ResourceUsage().cores is None


def test_usage_of_work_that_computes() -> None:
    meter = UsageMeter()
    sum(range(300_000))
    used = meter.lap()
    assert 0 < used.cpu_s <= used.wall_s * 1.5 + 0.05
    assert used.joules is None


def test_features_that_the_processor_says(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("flags : fpu avx2 avx512_vnni something\n")
    assert read_cpu_features(path) == ("avx2", "avx512_vnni")
    assert read_cpu_features(tmp_path / "absent") == ()


def test_this_machine() -> None:
    machine = gather_machine()
    assert 1 <= machine.cores <= machine.cores_total
    assert {"numpy", "onnxruntime"} <= machine.packages.keys()


def test_a_checkout_is_told(tmp_path: Path, repo_dir: Path) -> None:
    assert git_commit(tmp_path) is None
    state = git_commit(repo_dir)
    if (repo_dir / ".git").exists():
        assert state is not None
        assert len(state.removesuffix("+changes")) == 12


def test_models_and_their_hashes(tmp_path: Path) -> None:
    result = describe_model(DEFAULT_BUNDLE)
    assert result.error is None
    assert result.size_mb is not None
    assert 5 < result.size_mb < 50
    assert all(len(digest) == 64 for digest in (str(result.manifest_sha256), *result.files.values()))
    checkpoint = tmp_path / "weights.pt"
    checkpoint.write_bytes(b"abc")
    # echo -n abc | sha256sum
    assert str(describe_model(checkpoint).manifest_sha256).startswith("ba7816bf8f01cfea")
    assert "absent" in str(describe_model(tmp_path / "absent").error)


def test_reasons_are_one_line() -> None:
    assert describe_error(ValueError("a\n b")) == "ValueError: a b"
    assert describe_error(MemoryError()) == "MemoryError"
    assert len(describe_error(ValueError("x" * 999))) == MAX_CHARACTERS


def test_a_cold_start_of_the_fake(fake: EngineConfig) -> None:
    row = measure_cold_starts(fake, (64, 64), 1)
    assert row.error is None
    assert row.total_ms is not None
    assert sum(row.stages_ms.values()) == pytest.approx(row.total_ms)
    assert list(row.memory_mb) == ["import", "open", "first encode", "first decode", "peak"]


def test_a_cold_start_of_an_engine_that_compiles() -> None:
    row = measure_cold_starts(EngineConfig(DEFAULT_BUNDLE, "onnxruntime", None, 1), (64, 64), 1)
    assert row.error is None
    assert row.stages_ms["compile encoder"] > 1
    assert row.actual_precision == "int8"


def test_medians_over_processes(fake: EngineConfig) -> None:
    starts = [
        (
            100.0 + index,
            {"stages_ms": {"import": 10.0 * index}, "memory_mb": {"peak": None}, "actual_precision": "x"},
        )
        for index in (1, 5, 2)
    ]
    row = summarise_starts(fake, (64, 64), starts)
    assert (row.total_ms, row.stages_ms["import"], row.memory_mb) == (102.0, 20.0, {})
    assert summarise_starts(fake, (64, 64), []) == ColdStartResult(fake, (64, 64), 0)


@pytest.mark.parametrize(
    ("status", "stderr", "message"),
    [
        (-9, "", "the process died of signal 9"),
        (3, "", "the process ended with status 3"),
        (1, "Traceback\nsam_edge.errors.BundleError: bundle: gone: really\n", "bundle: gone: really"),
        (1, "Traceback\nRuntimeError: bad\n", "RuntimeError: bad"),
    ],
)
def test_why_a_process_failed(status: int, stderr: str, message: str) -> None:
    assert describe_failure(subprocess.CompletedProcess([], status, "", stderr)) == message


def test_a_process_that_hangs(fake: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_edge.profile.measure.cold_start.TIMEOUT_S", 0.2)
    monkeypatch.setattr("sam_edge.profile.measure.cold_start.PROGRAM", "import time; time.sleep(60)")
    assert measure_cold_starts(fake, (64, 64), 1).error == "not finished after 0.2 s"


def test_peaks_of_engines_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_edge.profile.operators.peak.REPEAT_S", 0.001)
    monkeypatch.setattr("sam_edge.profile.operators.peak.REPEATS", 1)
    monkeypatch.setattr("sam_edge.profile.operators.peak.COPY_MB", 4.0)
    result = measure_peak(1, ["onnxruntime", "fake"])
    assert result.gflops.keys() == {"onnxruntime"}
    assert result.of("onnxruntime", "fp32")
    assert result.of("fake", "fp32") is None
    assert result.gb_s is not None
    assert result.gb_s > 0.1


def test_an_engine_whose_peak_cannot_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(threads: int) -> object:
        raise OSError("no such processor")

    monkeypatch.setattr("sam_edge.profile.operators.peak.PRODUCTS", {"onnxruntime": {"fp32": fails}})
    monkeypatch.setattr("sam_edge.profile.operators.peak.COPY_MB", 1.0)
    monkeypatch.setattr("sam_edge.profile.operators.peak.REPEAT_S", 0.001)
    result = measure_peak(1, ["onnxruntime"])
    assert result.notes == ("peak: onnxruntime fp32 could not be measured: OSError: no such processor",)


def test_the_engines_share_of_a_call(fake: EngineConfig) -> None:
    model, clock = open_timed(fake)
    with model:
        embedding = model.encode(make_benchmark_frame(), size=(64, 64))
        first_ms = clock.last_ms
        model.decode(embedding, points=make_benchmark_points(2))
    assert first_ms > 0
    assert clock.last_ms != first_ms
    assert clock.name == "fake"


def test_prompts_lie_on_the_frame() -> None:
    height, width = make_benchmark_frame().shape[:2]
    points = make_benchmark_points(16)
    assert points.shape == (16, 1, 2)
    assert (points > 0).all()
    assert (points < (width, height)).all()
