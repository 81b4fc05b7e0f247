"""What a processor does with products of 8-bit numbers."""

from __future__ import annotations

import platform
from pathlib import Path

X86 = ("x86_64", "AMD64", "i686")
"""What `platform.machine` calls processors of this kind."""
SUMS_OF_32_BITS = frozenset({"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"})
"""Flags of x86 processors that add 8-bit products in 32 bits."""


def products_overflow(cpuinfo: Path = Path("/proc/cpuinfo"), machine: str | None = None) -> bool:
    """Return whether engines that multiply 8-bit numbers here add pairs of products in 16 bits, which overflow.

    It is so on x86 processors without VNNI. The encoder's embedding is then off three times as much as the 8 bits alone
    make it.

    Args:
        cpuinfo: the system's description of the processor; where there is none, False is returned.
        machine: kind of the processor, as `platform.machine` names it; None asks for this one.
    """
    if (machine or platform.machine()) not in X86:
        return False
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return bool(flags) and not SUMS_OF_32_BITS & set(flags.split())
