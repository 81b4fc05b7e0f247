"""Energy counters, where the system offers them and lets them be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows RAPL counters (kernel documentation, power/powercap)."""
NO_RAPL = "energy: this machine shows no RAPL counters; energy is not measured"


@dataclass(frozen=True, slots=True)
class Zone:
    """One counter of RAPL: a processor package."""

    file: Path
    """Holds microjoules since some moment."""
    wraps_uj: int
    """The counter begins again at 0 after this."""


class EnergyMeter:
    """Reads the energy that processor packages took."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        """Take the counters to add up."""
        self._zones = tuple(zones)

    def joules(self) -> float | None:
        """Return what the counters show together, joules; None when one cannot be read any more."""
        try:
            return sum(int(zone.file.read_text()) for zone in self._zones) / 1e6
        except (OSError, ValueError):
            return None

    def between(self, before_j: float, after_j: float) -> float:
        """Return the energy between two readings, joules, also when a counter has begun again meanwhile."""
        taken = after_j - before_j
        if taken < 0 and self._zones:
            taken += max(zone.wraps_uj for zone in self._zones) / 1e6
        return max(taken, 0.0)


def open_energy(root: Path = POWERCAP) -> tuple[EnergyMeter | None, list[str]]:
    """Find the packages' counters.

    Returns:
        A meter, None where there is none to read; and notes that say why.
    """
    zones = []
    folders = sorted(root.glob("intel-rapl:*")) if root.is_dir() else []
    # `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it that the package's counter holds already.
    for folder in (one for one in folders if one.name.count(":") == 1):
        file = folder / "energy_uj"
        try:
            int(file.read_text())
            wraps_uj = int((folder / "max_energy_range_uj").read_text())
        except PermissionError:
            return None, [
                f"energy: {file} may be read by the administrator alone; energy is not measured. To allow it: "
                f"sudo chmod a+r {file}"
            ]
        except (OSError, ValueError) as error:
            return None, [f"energy: {file} cannot be read ({error}); energy is not measured"]
        zones.append(Zone(file, wraps_uj))
    return (EnergyMeter(zones), []) if zones else (None, [NO_RAPL])
