"""Energy counters of the processor, where the system has them and permits reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
"""RAPL counters of Linux (kernel documentation, power/powercap)."""
NO_RAPL = "energy: this machine has no RAPL counters; energy is not measured"


@dataclass(frozen=True, slots=True)
class RaplZone:
    """RAPL counter of one processor package."""

    file: Path
    """Contains the counter, microjoules."""
    range_uj: int
    """The counter wraps to 0 after this value, microjoules."""


class EnergyMeter:
    """Reads the energy counters of processor packages."""

    def __init__(self, zones: Sequence[RaplZone]) -> None:
        """Set up a meter that adds up `zones`."""
        self._zones = tuple(zones)

    def joules(self) -> float | None:
        """Return the sum of the counters, joules; None when one can no longer be read."""
        try:
            return sum(int(zone.file.read_text()) for zone in self._zones) / 1e6
        except (OSError, ValueError):
            return None

    def difference(self, before_j: float, after_j: float) -> float:
        """Return the energy between two readings, joules, corrected for a counter that wrapped in between."""
        energy_j = after_j - before_j
        if energy_j < 0 and self._zones:
            energy_j += max(zone.range_uj for zone in self._zones) / 1e6
        return max(energy_j, 0.0)


def open_energy(root: Path = POWERCAP) -> tuple[EnergyMeter | None, list[str]]:
    """Find the counters of all processor packages.

    Returns:
        The meter, or None where there is no readable counter, and notes that say why.
    """
    zones = []
    folders = sorted(root.glob("intel-rapl:*")) if root.is_dir() else []
    # `intel-rapl:0` is a package; `intel-rapl:0:1` is a part of it, which the package's counter includes.
    for folder in (path for path in folders if path.name.count(":") == 1):
        file = folder / "energy_uj"
        try:
            int(file.read_text())
            range_uj = int((folder / "max_energy_range_uj").read_text())
        except PermissionError:
            return None, [
                f"energy: only the administrator may read {file}; energy is not measured. To permit it: "
                f"sudo chmod a+r {file}"
            ]
        except (OSError, ValueError) as error:
            return None, [f"energy: {file} cannot be read ({error}); energy is not measured"]
        zones.append(RaplZone(file, range_uj))
    return (EnergyMeter(zones), []) if zones else (None, [NO_RAPL])
