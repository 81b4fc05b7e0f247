"""Whether 8-bit products overflow on a processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_edge.runtimes.cpu_products import products_overflow


@pytest.mark.parametrize(
    ("flags", "machine", "expected"),
    [
        ("fpu sse2 avx avx2 fma", "x86_64", True),
        ("fpu avx2 avx512f avx512bw", "AMD64", True),
        ("fpu avx2 avx_vnni", "x86_64", False),
        ("fpu avx2 avx512f avx512_vnni", "x86_64", False),
        ("fpu avx512f amx_int8 amx_bf16", "x86_64", False),
        ("fp asimd", "aarch64", False),
    ],
)
def test_flags_of_the_processor_say_it(tmp_path: Path, flags: str, machine: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: A processor\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert products_overflow(cpuinfo, machine) is expected


def test_what_is_not_known_is_left_to_the_engine(tmp_path: Path) -> None:
    assert not products_overflow(tmp_path / "none", "x86_64")
    empty = tmp_path / "cpuinfo"
    empty.write_text("processor\t: 0\n")
    assert not products_overflow(empty, "x86_64")
