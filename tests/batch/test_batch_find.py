"""Recordings are found by recursion and checked before the work; manifests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_edge.batch.files import FileEntry
from sam_edge.batch.find import Finder
from sam_edge.batch.find_remote import _recording_folders
from sam_edge.batch.local_store import LocalStore
from sam_edge.batch.manifest import join, read_manifest, read_run_manifest, to_csv
from sam_edge.errors import InputError, SamEdgeWarning
from sam_edge.media.video_writer import VideoWriter
from tests.batch.archive import write_recording


def write_video(path: Path, frames: int = 5) -> None:
    with VideoWriter(path, (64, 96)) as video:
        for index in range(frames):
            video.write(
                np.full((64, 96, 3), 50 + index, np.uint8), index * 10**9 // 25, (index + 1) * 10**9 // 25
            )


def names(root: Path, finder: Finder | None = None, roots: Sequence[Path] = ()) -> list[str]:
    found = (finder or Finder()).find([str(path) for path in roots or [root]])
    return [os.path.relpath(each.uri, root) for each in found if not each.problem]


def test_recordings_at_every_depth_with_their_participants(tmp_path: Path) -> None:
    write_recording(tmp_path / "anna" / "day1" / "shop", frames=6)
    write_recording(tmp_path / "anna" / "day2", frames=8)
    write_recording(tmp_path / "ben", frames=4)
    (tmp_path / "notes").mkdir()
    found = Finder().find([str(tmp_path)])
    assert [(each.participant, each.name, each.frames) for each in found] == [
        ("anna", "day2", 8),
        ("anna", "shop", 6),
        ("ben", "ben", 4),
    ]
    assert len({each.id for each in found}) == 3
    assert Finder().find([str(tmp_path), str(tmp_path / "anna")]) == found


def test_the_output_and_hidden_folders_are_not_searched(tmp_path: Path) -> None:
    for name in ("one", "out/recordings/x", ".trash/two"):
        write_recording(tmp_path / name)
    assert names(tmp_path, Finder(skip=str(tmp_path / "out"))) == ["one"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    write_recording(tmp_path / "real" / "one")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "study").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "archive")
    assert names(tmp_path / "archive") == ["study/one"]


def test_a_video_with_its_length(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "one")
    for path in folder.glob("*.png"):
        path.unlink()
    write_video(folder / "world.mp4")
    (recording,) = Finder().find([str(tmp_path)])
    assert (recording.frames, recording.problem, recording.format) == (5, "", "csv")
    assert recording.duration_s == pytest.approx(0.2, abs=0.05)


def test_the_health_list(tmp_path: Path) -> None:
    write_recording(tmp_path / "good")
    for name in ("damaged", "eyeless", "several", "blind"):
        (tmp_path / name).mkdir()
    for name in ("damaged", "several", "blind"):
        (tmp_path / name / "gaze.csv").write_text("timestamp_s,x_px,y_px\n0.0,1,2\n")
    (tmp_path / "damaged" / "world.mp4").write_bytes(b"x" * 1000)
    (tmp_path / "eyeless" / "film.mp4").write_bytes(b"x")
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "several" / name).write_bytes(b"x")
    problems = {each.name: (each.problem_class, each.problem) for each in Finder().find([str(tmp_path)])}
    assert problems["good"] == ("", "")
    assert problems["damaged"][0] == "media"
    assert problems["damaged"][1].startswith("world.mp4: cannot be opened as a video (")
    assert problems["eyeless"] == ("input", "holds a video, and no gaze of a known format")
    assert "holds a.mp4, b.mp4" in problems["several"][1]
    assert "no scene video" in problems["blind"][1]


def test_events_need_no_video(tmp_path: Path) -> None:
    (tmp_path / "blind").mkdir()
    (tmp_path / "blind" / "gaze.csv").write_text("timestamp_s,x_px,y_px\n0.0,1,2\n")
    (tmp_path / "eye.asc").write_text("** CONVERTED FROM x.edf using edfapi 3.1\n")
    assert sorted(names(tmp_path, Finder(needs_video=False))) == ["blind", "eye.asc"]


@pytest.mark.parametrize("text", ["missing", "empty"])
def test_a_root_without_recordings_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"recordings: .*{text}: (no such file|holds no recording)"):
        Finder().find([str(tmp_path / text)])


def test_an_export_of_pupil_player_and_the_recording_around_it_are_one(
    shared_dir: Path, tmp_path: Path
) -> None:
    export = tmp_path / "P1" / "exports" / "000"
    export.mkdir(parents=True)
    for path in (shared_dir / "data" / "trackers" / "pupil_core_export").iterdir():
        (export / path.name).write_bytes(path.read_bytes())
    (export / "world.mp4").replace(tmp_path / "P1" / "world.mp4")
    (recording,) = Finder().find([str(tmp_path)])
    assert (recording.name, recording.format, recording.problem) == ("P1", "pupil-core", "")
    second = tmp_path / "P1" / "exports" / "001"
    second.mkdir()
    for path in export.iterdir():
        (second / path.name).write_bytes(path.read_bytes())
    found = Finder().find([str(tmp_path)])
    assert sorted(each.name for each in found) == ["000", "001"]
    assert [each.problem for each in found] == ["", ""]


def test_what_is_known_is_not_checked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(tmp_path / "one")
    found = Finder().find([str(tmp_path)])
    monkeypatch.setattr(cv2, "imread", None)
    monkeypatch.setattr("sam_edge.batch.find.check_recording", None)
    assert Finder(known={each.id: each for each in found}).find([str(tmp_path)]) == found


class TestManifest:
    def test_paths_are_relative_to_it(self, tmp_path: Path) -> None:
        write_recording(tmp_path / "data" / "one")
        write_video(tmp_path / "film.mp4")
        path = tmp_path / "study.csv"
        path.write_text(
            "recording,gaze,participant,px_per_deg\ndata/one,,anna,\nfilm.mp4,data/one/gaze.csv,ben,21.5\n"
        )
        one, film = sorted(read_manifest(path, Finder()), key=lambda each: each.participant)
        assert (one.participant, one.frames, one.px_per_deg, one.gaze) == ("anna", 6, None, None)
        assert (film.participant, film.frames, film.px_per_deg, film.problem) == ("ben", 5, 21.5, "")
        assert film.gaze == str(tmp_path / "data" / "one" / "gaze.csv")

    def test_another_scale_is_another_unit_of_work(self, tmp_path: Path) -> None:
        write_recording(tmp_path / "one")
        path = tmp_path / "study.csv"
        ids = []
        for scale in ("", "15", "16"):
            path.write_text(f"recording,px_per_deg\none,{scale}\n")
            ids += [each.id for each in read_manifest(path, Finder())]
        assert len(set(ids)) == 3

    def test_a_missing_recording_is_in_the_health_list(self, tmp_path: Path) -> None:
        path = tmp_path / "study.csv"
        path.write_text("recording\ngone\n")
        (recording,) = read_manifest(path, Finder())
        assert recording.problem_class == "input"
        assert "no such file or folder" in recording.problem

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("uri\none\n", "no column `recording`"),
            ("recording\n", "has no line"),
            ("recording,px_per_deg\none,many\n", "line 2: px_per_deg is 'many'; accepted: a positive number"),
            ("recording,gaze\n,x\n", "line 2: recording is empty"),
            ("recording\none\none\n", "line 3: .*one stands twice"),
        ],
    )
    def test_mistakes_name_the_line(self, tmp_path: Path, text: str, message: str) -> None:
        write_recording(tmp_path / "one")
        path = tmp_path / "study.csv"
        path.write_text(text)
        with pytest.raises(InputError, match=f"manifest: .*{message}"):
            read_manifest(path, Finder())

    def test_columns_that_are_not_used_are_named(self, tmp_path: Path) -> None:
        write_recording(tmp_path / "one")
        path = tmp_path / "study.csv"
        path.write_text("recording,px_per_degree\none,15\n")
        with pytest.warns(SamEdgeWarning, match="columns that are not used: px_per_degree"):
            read_manifest(path, Finder())

    def test_of_a_run_is_read_as_it_was_written(self, tmp_path: Path, store: LocalStore) -> None:
        write_recording(tmp_path / 'with, "quotes"')
        (tmp_path / "eyeless").mkdir()
        (tmp_path / "eyeless" / "film.mp4").write_bytes(b"x")
        found = Finder().find([str(tmp_path)])
        store.write("manifest.csv", to_csv(found))
        assert read_run_manifest(store) == found

    def test_of_a_recording_that_changed_the_newest_counts(self, tmp_path: Path) -> None:
        write_recording(tmp_path / "one")
        (first,) = Finder().find([str(tmp_path)])
        second = replace(first, id="2", duration_s=9.0)
        other = replace(first, id="3", uri="/other")
        assert join([first, other], [second]) == [second, other]


def test_remote_recordings_by_the_names_of_their_files() -> None:
    paths = [
        "P1/world.mp4",
        "P1/exports/000/world.mp4",
        "P2/projects/x/segments/1/fullstream.mp4",
        "P3/notes.txt",
        "P10/scenevideo.mp4",
    ]
    entries = [FileEntry(path, 1, "") for path in paths]
    assert _recording_folders(entries) == ["P1", "P10", "P2/projects/x"]
