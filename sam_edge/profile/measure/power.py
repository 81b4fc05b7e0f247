"""Power now: from a battery that empties, or from macOS's own meter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from sam_edge.profile.measure.environment import first_line

SUPPLIES = Path("/sys/class/power_supply")
POWERMETRICS = ("/usr/bin/powermetrics", "--samplers", "cpu_power", "-i", "1000")
COMBINED = re.compile(r"Combined Power \(CPU \+ GPU \+ ANE\): (\d+) mW")
NOT_ROOT = "energy: powermetrics may be run by the administrator alone; power is not measured (sudo sam-edge profile)"


class PowerMeter:
    """Says how much power is drawn. A context manager."""

    def __init__(self, root: Path = SUPPLIES) -> None:
        """Look for batteries below `root`; nothing is started yet."""
        self._root = root
        self._process: subprocess.Popen[str] | None = None
        self._newest: float | None = None

    def watts(self) -> float | None:
        """Return the power drawn now; None where the system does not tell, or hangs on the mains."""
        return self._newest if self._process is not None else battery_watts(self._root)

    def __enter__(self) -> PowerMeter:
        """Start powermetrics, on macOS and where that is allowed."""
        if sys.platform == "darwin" and os.geteuid() == 0:
            self._process = subprocess.Popen(POWERMETRICS, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._follow, name="sam-edge-power", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(5)

    def _follow(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        for line in self._process.stdout:
            watts = combined_watts(line)
            if watts is not None:
                self._newest = watts


def combined_watts(line: str) -> float | None:
    """Read the power of processor, graphics and neural engine from a line of powermetrics; None from any other."""
    found = COMBINED.search(line)
    return int(found[1]) / 1e3 if found else None


def battery_watts(root: Path = SUPPLIES) -> float | None:
    """Return the power that batteries give (kernel documentation, sysfs-class-power); None while none empties."""
    total = None
    for supply in root.glob("*"):
        if first_line(supply / "type") != "Battery" or first_line(supply / "status") != "Discharging":
            continue
        values = [first_line(supply / name) for name in ("power_now", "current_now", "voltage_now")]
        power, current, voltage = (
            abs(int(one)) if one and one.lstrip("-").isdecimal() else None for one in values
        )
        if power is None and current is not None and voltage is not None:
            power = current * voltage // 1_000_000
        if power is not None:
            total = (total or 0.0) + power / 1e6
    return total


def power_notes() -> list[str]:
    """Say why power cannot be measured, where leave is all that is missing."""
    return [NOT_ROOT] if sys.platform == "darwin" and os.geteuid() != 0 else []
