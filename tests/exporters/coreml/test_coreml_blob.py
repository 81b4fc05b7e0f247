"""The reader of weight files, against the writer that coremltools itself uses."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import ExportError
from sam_edge.exporters.coreml.evaluate_mil.blob import BlobFile, signed, unpack_bits

WHOLE = {
    "fp16": np.float16,
    "float": np.float32,
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "uint16": np.uint16,
    "int32": np.int32,
    "uint32": np.uint32,
}
PARTS = {"uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "uint6": 6}


def write(path: Path, kind: str, values: np.ndarray) -> int:
    """Write one blob with coremltools' own writer and return where it lies."""
    storage = pytest.importorskip("coremltools.libmilstoragepython")
    writer = storage._BlobStorageWriter(str(path))
    # The writer takes half precision as its bits.
    given = values.view(np.uint16) if kind == "fp16" else values
    return int(getattr(writer, f"write_{kind}_data")(given))


@pytest.mark.parametrize("kind", WHOLE)
def test_types_of_whole_bytes(kind: str, tmp_path: Path) -> None:
    """Every value comes back as it was written."""
    values = (np.arange(-60, 61) * 3).astype(WHOLE[kind])
    place = write(tmp_path / "weight.bin", kind, values)
    blob = BlobFile(tmp_path / "weight.bin").read(place)
    assert blob.values.dtype == values.dtype
    assert np.array_equal(blob.values, values)


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("count", [1, 7, 8, 9, 64])
def test_types_of_parts_of_bytes(kind: str, count: int, tmp_path: Path) -> None:
    """Padding in the last byte is not read as a value."""
    bits = PARTS[kind]
    values = (np.arange(count) * 5 % (1 << bits)).astype(np.uint8)
    place = write(tmp_path / "weight.bin", kind, values)
    blob = BlobFile(tmp_path / "weight.bin").read(place)
    assert (blob.kind.name, blob.kind.bits) == (kind.upper(), bits)
    assert np.array_equal(blob.values, values)


def test_signed_four_bits(tmp_path: Path) -> None:
    """Negative values keep their sign."""
    values = np.arange(-8, 8, dtype=np.int8)
    place = write(tmp_path / "weight.bin", "int4", values)
    assert np.array_equal(BlobFile(tmp_path / "weight.bin").read(place).values, values)


@given(bits=st.integers(1, 8), values=st.lists(st.integers(0, 255), max_size=40))
def test_unpacking_undoes_packing(bits: int, values: list[int]) -> None:
    """Elements are packed least significant bit first, over the borders of bytes."""
    values = [value % (1 << bits) for value in values]
    joined = sum(value << (bits * place) for place, value in enumerate(values))
    packed = np.frombuffer(joined.to_bytes(-(-bits * len(values) // 8), "little"), np.uint8)
    assert unpack_bits(packed, bits, len(values)).tolist() == values


def test_too_few_bytes() -> None:
    """A short blob is an error, not zeros."""
    with pytest.raises(ExportError, match="3 elements of 6 bits"):
        unpack_bits(np.zeros(2, np.uint8), 6, 3)


def test_twos_complement() -> None:
    """The highest of four bits is the sign."""
    assert signed(np.array([0, 7, 8, 15], np.uint8), 4).tolist() == [0, 7, -8, -1]


class TestDamage:
    """Whatever is wrong with a weight file is named."""

    @pytest.fixture
    def good(self, tmp_path: Path) -> tuple[Path, int]:
        """A file with one blob."""
        path = tmp_path / "weight.bin"
        return path, write(path, "float", np.ones(16, np.float32))

    def test_missing(self, tmp_path: Path) -> None:
        """No file."""
        with pytest.raises(ExportError, match="cannot be read"):
            BlobFile(tmp_path / "none.bin")

    def test_shorter_than_a_header(self, tmp_path: Path) -> None:
        """Too short to tell."""
        (tmp_path / "weight.bin").write_bytes(b"\0" * 10)
        with pytest.raises(ExportError, match="less than a header"):
            BlobFile(tmp_path / "weight.bin")

    def test_other_version(self, tmp_path: Path) -> None:
        """A format that this reader does not know."""
        (tmp_path / "weight.bin").write_bytes(struct.pack("<II", 1, 9) + b"\0" * 56)
        with pytest.raises(ExportError, match="version 9; accepted: 2"):
            BlobFile(tmp_path / "weight.bin")

    def test_no_description(self, good: tuple[Path, int]) -> None:
        """A place in the middle of data."""
        with pytest.raises(ExportError, match="no description at byte 72"):
            BlobFile(good[0]).read(72)

    def test_unknown_type(self, good: tuple[Path, int]) -> None:
        """An element type of the future."""
        path, place = good
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, place + 4, 99)
        path.write_bytes(content)
        with pytest.raises(ExportError, match="element type 99"):
            BlobFile(path).read(place)

    @pytest.mark.parametrize("cut", [1, 64])
    def test_cut_short(self, good: tuple[Path, int], cut: int) -> None:
        """An incomplete copy."""
        path, place = good
        path.write_bytes(path.read_bytes()[:-cut])
        with pytest.raises(ExportError, match="ends"):
            BlobFile(path).read(place)

    def test_place_beyond_the_end(self, good: tuple[Path, int]) -> None:
        """A place that the file does not reach."""
        with pytest.raises(ExportError, match="ends before"):
            BlobFile(good[0]).read(10**6)
