"""Current power draw: of a discharging battery, or from powermetrics on macOS."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from sam_edge.closing import Closing
from sam_edge.profile.measure.environment import first_line

SUPPLIES = Path("/sys/class/power_supply")
POWERMETRICS = ("/usr/bin/powermetrics", "--samplers", "cpu_power", "-i", "1000")
COMBINED = re.compile(r"Combined Power \(CPU \+ GPU \+ ANE\): (\d+) mW")
NOT_ROOT = (
    "energy: only the administrator may run powermetrics; power is not measured (sudo sam-edge profile)"
)


class PowerMeter(Closing):
    """Reads the current power draw. On macOS it runs powermetrics until it is closed, if that is permitted."""

    def __init__(self, root: Path = SUPPLIES) -> None:
        """Start. `root` is the folder of the power supplies."""
        self._root = root
        self._process: subprocess.Popen[str] | None = None
        # Written by the thread that reads powermetrics, read by the caller: one reference, no lock needed.
        self._newest_watts: float | None = None
        if sys.platform == "darwin" and os.geteuid() == 0:
            self._process = subprocess.Popen(POWERMETRICS, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._follow, name="sam-edge-power", daemon=True).start()

    def watts(self) -> float | None:
        """Return the current power draw, watts; None where the system does not report it or runs on mains."""
        return self._newest_watts if self._process is not None else battery_watts(self._root)

    def close(self) -> None:
        """Stop powermetrics."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(5)

    def _follow(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        for line in self._process.stdout:
            watts = parse_powermetrics(line)
            if watts is not None:
                self._newest_watts = watts


def parse_powermetrics(line: str) -> float | None:
    """Return the combined power of CPU, GPU and neural engine, watts, from a line of powermetrics; None for others."""
    match = COMBINED.search(line)
    return int(match[1]) / 1e3 if match else None


def battery_watts(root: Path = SUPPLIES) -> float | None:
    """Return the power of all discharging batteries, watts (kernel documentation, sysfs-class-power); None if none."""
    total = None
    for supply in root.glob("*"):
        if first_line(supply / "type") != "Battery" or first_line(supply / "status") != "Discharging":
            continue
        lines = [first_line(supply / name) for name in ("power_now", "current_now", "voltage_now")]
        power, current, voltage = (
            abs(int(line)) if line and line.lstrip("-").isdecimal() else None for line in lines
        )
        if power is None and current is not None and voltage is not None:
            power = current * voltage // 1_000_000
        if power is not None:
            total = (total or 0.0) + power / 1e6
    return total


def power_notes() -> list[str]:
    """Return a note when only the permission to measure power is missing."""
    return [NOT_ROOT] if sys.platform == "darwin" and os.geteuid() != 0 else []
