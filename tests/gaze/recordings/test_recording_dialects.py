"""Text of recordings in every encoding, with every separator and word for a missing number, gives the same samples."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from sam_edge.errors import GazeDataError
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings import plain
from sam_edge.gaze.recordings.encodings import detect_encoding

OWN = "timestamp_s,x_px,y_px,confidence\n0.0,512.25,300.5,0.5\n0.25,,,0\n0.5,513.5,301,1\n"
EXPECTED = [(0, 512.25, 300.5, 0.5), (250_000_000, None, None, 0.0), (500_000_000, 513.5, 301.0, 1.0)]
PRO_LAB = (
    "Recording timestamp [μs]\tSensor\tParticipant name\tGaze point X [DACS px]\tGaze point Y [DACS px]\n"
    "0\tEye Tracker\tJosé\t512.25\t300.5\n250000\tEye Tracker\tJosé\t\t\n500000\tEye Tracker\tJosé\t513.5\t301\n"
)
NEON = (
    "recording id,timestamp [ns],gaze x [px],gaze y [px],worn\nr,1700000000000000000,512.25,300.5,1\n"
    "r,1700000000250000000,,,0\nr,1700000000500000000,513.5,301,1\n"
)


def values(path: Path) -> list[tuple[int, float | None, float | None, float]]:
    return [
        (
            s.time_ns,
            None if math.isnan(s.x_px) else s.x_px,
            None if math.isnan(s.y_px) else s.y_px,
            s.confidence,
        )
        for s in recordings.read(path).samples
    ]


def with_commas(text: str, delimiter: str) -> str:
    """Return a table with commas as decimal points and another separator."""
    return text.replace(",", delimiter).replace(".", ",")


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_encoding_and_line_end(tmp_path: Path, encoding: str, line_end: str, packed: bool) -> None:
    for text in (OWN.replace("\n", ",né\n").replace("confidence,né", "confidence,naïve"), PRO_LAB):
        data = text.replace("μ", "µ").replace("\n", line_end).encode(encoding)
        path = tmp_path / "gaze.txt"
        path.write_bytes(gzip.compress(data) if packed else data)
        assert [value[:3] for value in values(path)] == [value[:3] for value in EXPECTED]


def test_utf16_that_begins_with_the_other_mark(tmp_path: Path) -> None:
    path = tmp_path / "gaze.csv"
    path.write_bytes(b"\xfe\xff" + OWN.encode("utf-16-be"))
    assert values(path) == EXPECTED
    path.write_bytes(("\ufeff" + OWN).encode("utf-16-le")[:-1])
    with pytest.raises(GazeDataError, match=r"line 4: not UTF-16 text.*save it as UTF-8"):
        recordings.read(path)


def test_a_head_that_ends_within_a_character() -> None:
    assert detect_encoding("µ".encode()[:1]) == "utf-8"
    assert detect_encoding(b"[\xb5s]") == "cp1252"
    assert detect_encoding(b"") == "utf-8"


@pytest.mark.parametrize(
    "text",
    [
        OWN.replace(",", ";"),
        OWN.replace(",", "\t"),
        OWN.replace(",", "|"),
        with_commas(OWN, ";"),
        with_commas(OWN, "\t"),
        with_commas(OWN, "|"),
        "sep=;\n" + with_commas(OWN, ";"),
        "sep=,\n" + OWN,
        '"sep=|"\r\n' + OWN.replace(",", "|"),
        '"timestamp_s","x_px","y_px","confidence"\n"0.0","512.25","300.5","0.5"\n"0.25","","","0"\n"0.5","513.5","301","1"\n',
        '"timestamp_s"\t"x_px"\t"y_px"\t"confidence"\n"0,0"\t"512,25"\t"300,5"\t"0,5"\n0.25\t\t\t0\n0.5\t513.5\t301\t1\n',
        'timestamp_s,x_px,y_px,confidence\n"0,0","512,25","300,5","0,5"\n"0,25",,,0\n"0,5","513,5",301,1\n',
        OWN.replace("timestamp_s,x_px", "TIMESTAMP_S,X_PX"),
        OWN.replace("timestamp_s,x_px,y_px", " Timestamp [s] , x (px),Y px"),
        "# made by a program\n# 3 rows\n" + OWN,
        "% MATLAB\n" + OWN,
        "subject,P01,,\n\n" + OWN,
        OWN.replace("confidence\n", "confidence\ns,px,px,\n"),
        OWN.replace("confidence\n", "confidence\n[s],[px],[px],0..1\n"),
        OWN.replace("0.25", "# a pause\n0.25"),
        OWN.replace("\n", "\n\n"),
        OWN + "# end\n",
        ",timestamp_s,x_px,y_px,confidence\n0,0.0,512.25,300.5,0.5\n1,0.25,,,0\n2,0.5,513.5,301,1\n",
    ],
)
def test_every_dialect_of_a_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gaze.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert recordings.recognise(path) == "csv"
    assert values(path) == EXPECTED
    assert [float(each) for each in plain.timestamp_texts(path)] == [0.0, 0.25, 0.5]


@pytest.mark.parametrize(
    "word", ["NA", "N/A", "n/a", "NaN", "nan", "null", "None", ".", "-", "--", "#N/A", "<NA>", "#NV", " "]
)
def test_every_word_for_a_missing_number(tmp_path: Path, word: str) -> None:
    path = tmp_path / "gaze.csv"
    path.write_text(OWN.replace("0.25,,,", f"0.25,{word},{word},"), encoding="utf-8")
    assert values(path) == EXPECTED


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            OWN.replace("confidence\n", "confidence\nms,px,px,\n"),
            "the unit of timestamp_s is 'ms'; accepted: s",
        ),
        (OWN.replace("confidence\n", "confidence\ns,deg,deg,\n"), "the unit of x_px is 'deg'; accepted: px"),
        (
            with_commas(OWN, ","),
            "line 2: 8 cells where 4 columns are named; numbers with a decimal comma need",
        ),
        (OWN.replace("512.25", '"1,512"'), "line 2: x_px is '1,512'"),
        (OWN.replace(",", ";").replace("512.25", "1.512,25"), "line 2: x_px is '1.512,25'"),
        (OWN.replace("512.25", "51_2"), "line 2: x_px is '51_2'"),
    ],
)
def test_numbers_that_may_mean_two_things_are_refused(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "gaze.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GazeDataError, match=part.replace(".", r"\.")):
        recordings.read(path)


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ("t;gx;gy\n0;1;2\n".encode("utf-16"), ["UTF-16 text", "semicolons", "t, gx, gy", "timestamp_s"]),
        ("temps\tx\tÿ\n".encode("cp1252"), ["Windows-1252 text", "tabs", "temps, x, ÿ"]),
        (b"a|b\n1|2\n", ["UTF-8 text", "bars", "a, b"]),
    ],
)
def test_a_dialect_that_is_not_read_is_named(tmp_path: Path, data: bytes, parts: list[str]) -> None:
    path = tmp_path / "gaze.txt"
    path.write_bytes(data)
    with pytest.raises(GazeDataError) as caught:
        recordings.read(path)
    for part in parts:
        assert part in str(caught.value)


def test_vendors_files_saved_again_by_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "gaze.csv"
    expected = [value[:3] for value in EXPECTED]
    for text in (NEON.replace(",", ";").replace(".", ","), NEON.replace("timestamp", "Timestamp")):
        path.write_bytes(text.encode("utf-16"))
        assert recordings.recognise(path) == "neon-csv"
        assert [value[:3] for value in values(path)] == expected


class TestSharedCases:
    @pytest.mark.parametrize(
        ("name", "valid"),
        [
            *((f"text-dialects/own_{name}.csv", 240) for name in
              ("quoted", "semi_comma", "semi_dot", "tab", "upper", "utf16")),
            ("text-dialects/utf16.tsv", 240),
            ("text-missing-words/own_na.csv", 239),
        ],
    )  # fmt: skip
    def test_text(self, shared_dir: Path, name: str, valid: int) -> None:
        recording = recordings.read(shared_dir / "cases" / name)
        assert (len(recording.samples), sum(s.valid for s in recording.samples)) == (240, valid)
        assert recording.rate_hz == pytest.approx(120.0, rel=1e-3)
