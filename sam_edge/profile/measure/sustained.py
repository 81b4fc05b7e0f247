"""Does it throttle? One engine encodes without a pause, and every second says how fast it still is."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.engine_bench import measured_frame
from sam_edge.profile.measure.environment import first_line
from sam_edge.profile.measure.failures import reason
from sam_edge.profile.measure.noise import OTHERS_SHARE, NoiseMeter
from sam_edge.profile.measure.power import PowerMeter
from sam_edge.profile.measure.statistics import Ratio, ratio
from sam_edge.profile.measure.timed_runtime import open_engine
from sam_edge.profile.measure.usage import Usage, UsageMeter
from sam_edge.profile.plan import Engine

CLOCK = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
THERMAL = Path("/sys/class/thermal")
THROTTLES = 1.05
"""A machine throttles when the last third takes so many times as long as the first, beyond the interval's doubt."""
FEWEST_S = 3
"""Seconds from which thirds can be compared."""


@dataclass(frozen=True, slots=True)
class Second:
    """One second of it."""

    at_s: float
    """Seconds since the beginning, at its end."""
    calls: int
    """Calls that ended in it."""
    median_ms: float
    """Their median, milliseconds."""
    clock_mhz: float | None
    """Clock of the first core, MHz."""
    celsius: float | None
    """The hottest sensor, degrees Celsius."""
    watts: float | None
    """Power, from the battery or from the system's own meter."""


@dataclass(frozen=True, slots=True)
class SustainedRow:
    """Encoding without a pause."""

    engine: Engine
    """The model and its engine."""
    size: tuple[int, int]
    """The encoder's input (height, width)."""
    seconds: tuple[Second, ...] = ()
    """Every second."""
    slowdown: Ratio | None = None
    """Median call of the last third over that of the first; None where it was too short."""
    throttles: bool = False
    """Whether it became slower for sure, and nobody else had the cores meanwhile."""
    others_share: float | None = None
    """Share of all cores, 0..1, that other processes and other virtual machines had; None where not known."""
    usage: Usage | None = None
    """What all of it used; None where nothing ran."""
    failed: str | None = None
    """Why there is nothing."""

    @property
    def verdict(self) -> str:
        """Say whether it throttles, in a few words; empty where it was too short to tell."""
        if self.slowdown is None:
            return ""
        if self.throttles:
            return "it throttles"
        if became_slower(self.slowdown):
            others = f"others had {100 * (self.others_share or 0):.0f} % of the cores"
            return f"slower, but {others}: measure again when idle"
        return "no throttling"


def became_slower(slowdown: Ratio) -> bool:
    """Say whether the last third was slower than the first, beyond the interval's doubt."""
    return slowdown.value > THROTTLES and slowdown.low > 1


def measure_sustained(
    engine: Engine,
    size: tuple[int, int],
    length_s: float,
    energy: EnergyMeter | None,
    keep: Callable[[SustainedRow], None],
) -> Generator[str]:
    """Encode for `length_s`; `keep` is given the row also when that is interrupted."""
    times_ms: list[float] = []
    number: list[int] = []
    seconds: list[Second] = []
    used: Usage | None = None
    failed = None
    noise = NoiseMeter()
    try:
        with open_engine(engine) as model, PowerMeter() as power:
            frame = measured_frame()
            model.encode(frame, size=size)
            meter = UsageMeter(energy)
            begun = time.perf_counter()
            while (passed_s := time.perf_counter() - begun) < length_s:
                yield f"{passed_s:.0f} of {length_s:.0f} s, {engine.label}"
                recent: list[float] = []
                until = time.perf_counter() + min(1.0, length_s - passed_s)
                while (call_begun := time.perf_counter()) < until:
                    model.encode(frame, size=size)
                    recent.append(1e3 * (time.perf_counter() - call_begun))
                used = meter.lap() if used is None else used + meter.lap()
                number += [len(seconds)] * len(recent)
                times_ms += recent
                at_s = time.perf_counter() - begun
                seconds.append(
                    Second(at_s, len(recent), float(np.median(recent)), clock_mhz(), celsius(), power.watts())
                )
    except Exception as error:  # an engine may raise anything; the rest of the profile is to go on
        failed = reason(error)
    finally:
        slowdown = slower(times_ms, number, len(seconds))
        others_share = noise.noise().others_share
        keep(
            SustainedRow(
                engine=engine,
                size=size,
                seconds=tuple(seconds),
                slowdown=slowdown,
                throttles=slowdown is not None
                and became_slower(slowdown)
                and (others_share or 0.0) <= OTHERS_SHARE,
                others_share=others_share,
                usage=used,
                failed=failed,
            )
        )


def slower(times_ms: list[float], number: list[int], seconds: int) -> Ratio | None:
    """Compare the last third of the seconds with the first."""
    if seconds < FEWEST_S:
        return None
    third = seconds // 3
    first = [index for index, one in enumerate(number) if one < third]
    last = [index for index, one in enumerate(number) if one >= seconds - third]
    return ratio(
        [times_ms[index] for index in last],
        [times_ms[index] for index in first],
        [number[index] for index in last],
        [number[index] for index in first],
    )


def clock_mhz() -> float | None:
    """Return the first core's clock now; None where the system does not say."""
    line = first_line(CLOCK)
    return int(line) / 1e3 if line is not None and line.isdecimal() else None


def celsius(root: Path = THERMAL) -> float | None:
    """Return what the hottest sensor shows; None where there is none."""
    lines = [first_line(zone / "temp") for zone in root.glob("thermal_zone*")]
    found = [int(line) / 1e3 for line in lines if line is not None and line.lstrip("-").isdecimal()]
    return max(found) if found else None
