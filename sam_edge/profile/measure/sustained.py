"""Sustained load: one engine encodes without pause, and each second is summarised, to detect thermal throttling."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.engine_bench import make_benchmark_frame
from sam_edge.profile.measure.environment import first_line
from sam_edge.profile.measure.failures import describe_error
from sam_edge.profile.measure.noise import MAX_OTHER_CPU_SHARE, NoiseMeter
from sam_edge.profile.measure.power import PowerMeter
from sam_edge.profile.measure.statistics import MedianRatio, compare_medians
from sam_edge.profile.measure.timed_runtime import open_engine
from sam_edge.profile.measure.usage import ResourceUsage, UsageMeter
from sam_edge.profile.plan import EngineConfig

CLOCK = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
THERMAL = Path("/sys/class/thermal")
THROTTLING_RATIO = 1.05
"""Minimum ratio of the last third to the first, for a machine that throttles."""
MIN_SECONDS = 3
"""Minimum duration, seconds, for a comparison of thirds."""


@dataclass(frozen=True, slots=True)
class SustainedSecond:
    """One second of the sustained load."""

    at_s: float
    """Its end, seconds since the start."""
    calls: int
    """Calls that ended in it."""
    median_ms: float
    """Median latency of the calls, milliseconds."""
    clock_mhz: float | None
    """Clock of the first core, MHz."""
    celsius: float | None
    """The hottest sensor, degrees Celsius."""
    watts: float | None
    """Power draw, watts."""


@dataclass(frozen=True, slots=True)
class SustainedResult:
    """Encoding without pause."""

    engine: EngineConfig
    size: tuple[int, int]
    """Encoder input (height, width)."""
    seconds: tuple[SustainedSecond, ...] = ()
    slowdown: MedianRatio | None = None
    """Median latency of the last third over that of the first; None when the run was too short."""
    throttles: bool = False
    """Whether it became significantly slower while no other process used the cores."""
    other_cpu_share: float | None = None
    """Share of all cores used by other processes and other virtual machines, 0..1; None if unknown."""
    usage: ResourceUsage | None = None
    """Resources used by all calls; None when nothing ran."""
    error: str | None = None
    """Why it was not measured; None on success."""

    @property
    def verdict(self) -> str:
        """Whether the machine throttles, in a few words; empty when the run was too short."""
        if self.slowdown is None:
            return ""
        if self.throttles:
            return "throttling"
        if is_slower(self.slowdown):
            share = f"other processes used {100 * (self.other_cpu_share or 0):.0f} % of the cores"
            return f"slower, but {share}: measure again when idle"
        return "no throttling"


def is_slower(slowdown: MedianRatio) -> bool:
    """Return whether the last third was significantly slower than the first."""
    return slowdown.value > THROTTLING_RATIO and slowdown.low > 1


def measure_sustained(
    engine: EngineConfig,
    size: tuple[int, int],
    duration_s: float,
    energy: EnergyMeter | None,
    on_result: Callable[[SustainedResult], None],
) -> Generator[str]:
    """Encode without pause for `duration_s`; `on_result` receives the result even when the run is interrupted."""
    times_ms: list[float] = []
    number: list[int] = []
    seconds: list[SustainedSecond] = []
    usage: ResourceUsage | None = None
    failure = None
    noise = NoiseMeter()
    try:
        with open_engine(engine) as model, PowerMeter() as power:
            frame = make_benchmark_frame()
            model.encode(frame, size=size)
            meter = UsageMeter(energy)
            start = time.perf_counter()
            while (elapsed_s := time.perf_counter() - start) < duration_s:
                yield f"{elapsed_s:.0f} of {duration_s:.0f} s, {engine.label}"
                recent_ms: list[float] = []
                end = time.perf_counter() + min(1.0, duration_s - elapsed_s)
                while (call_start := time.perf_counter()) < end:
                    model.encode(frame, size=size)
                    recent_ms.append(1e3 * (time.perf_counter() - call_start))
                usage = meter.lap() if usage is None else usage + meter.lap()
                number += [len(seconds)] * len(recent_ms)
                times_ms += recent_ms
                seconds.append(
                    SustainedSecond(
                        at_s=time.perf_counter() - start,
                        calls=len(recent_ms),
                        median_ms=float(np.median(recent_ms)),
                        clock_mhz=read_clock_mhz(),
                        celsius=read_celsius(),
                        watts=power.watts(),
                    )
                )
    except Exception as error:  # an engine may raise anything; the rest of the profile still runs
        failure = describe_error(error)
    finally:
        slowdown = compare_thirds(times_ms, number, len(seconds))
        other_cpu_share = noise.noise().other_cpu_share
        on_result(
            SustainedResult(
                engine=engine,
                size=size,
                seconds=tuple(seconds),
                slowdown=slowdown,
                throttles=slowdown is not None
                and is_slower(slowdown)
                and (other_cpu_share or 0.0) <= MAX_OTHER_CPU_SHARE,
                other_cpu_share=other_cpu_share,
                usage=usage,
                error=failure,
            )
        )


def compare_thirds(times_ms: list[float], number: list[int], seconds: int) -> MedianRatio | None:
    """Compare the last third of the seconds with the first.

    Args:
        times_ms: duration of every call, milliseconds.
        number: the second of every call.
        seconds: number of seconds.

    Returns:
        Median latency of the last third over that of the first; None when the run was too short.
    """
    if seconds < MIN_SECONDS:
        return None
    third = seconds // 3
    first = [index for index, second in enumerate(number) if second < third]
    last = [index for index, second in enumerate(number) if second >= seconds - third]
    return compare_medians(
        [times_ms[index] for index in last],
        [times_ms[index] for index in first],
        [number[index] for index in last],
        [number[index] for index in first],
    )


def read_clock_mhz() -> float | None:
    """Return the current clock of the first core, MHz; None where the system does not report it."""
    line = first_line(CLOCK)
    return int(line) / 1e3 if line is not None and line.isdecimal() else None


def read_celsius(root: Path = THERMAL) -> float | None:
    """Return the temperature of the hottest sensor, degrees Celsius; None where there is none."""
    lines = [first_line(zone / "temp") for zone in root.glob("thermal_zone*")]
    values = [int(line) / 1e3 for line in lines if line is not None and line.lstrip("-").isdecimal()]
    return max(values) if values else None
