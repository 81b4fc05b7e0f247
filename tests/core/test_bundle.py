"""Bundles: what is damaged, missing, newer or not a bundle at all is refused, by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.bundle import (
    MANIFEST,
    SCHEMA,
    GraphEntry,
    Manifest,
    TensorEntry,
    describe_file,
    hash_file,
    open_bundle,
    read_manifest,
)
from sam_edge.errors import BundleError, InputError
from sam_edge.segmenter import DEFAULT_BUNDLE


def tensor(name: str) -> TensorEntry:
    """A tensor of no consequence."""
    return TensorEntry(name=name, shape=("batch", 256, "rows", "columns"), dtype="float32", meaning="a test")


def write_bundle(folder: Path) -> Manifest:
    """A bundle of three small files."""
    folder.mkdir(parents=True)
    for name, content in (
        ("encoder.onnx", b"graph"),
        ("encoder.weights", bytes(range(200))),
        ("d.onnx", b"d" * 99),
    ):
        (folder / name).write_bytes(content)
    graphs = (
        GraphEntry("encoder", "encoder.onnx", 16, (tensor("image"),), (tensor("embedding"),)),
        GraphEntry("encoder", "encoder.onnx", 224, (tensor("image"),), (tensor("embedding"),)),
        GraphEntry("decoder", "d.onnx", 16, (tensor("embedding"),), (tensor("logits"), tensor("scores"))),
    )
    manifest = Manifest(
        name="tiny",
        model="mobile_sam",
        target="onnx",
        precision="int8",
        checkpoint_sha256="ab" * 32,
        files=tuple(describe_file(path) for path in sorted(folder.iterdir())),
        graphs=graphs,
        sizes=((448, 672), (1024, 1024)),
        licence="none",
        calibration={"pictures": 3},
        parity={"chosen_iou": 0.97, "token_iou": [0.9, 0.8]},
        tools={"numpy": "2"},
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole bundle."""
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest's content."""
    path = folder / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def refused(folder: Path, *parts: str) -> None:
    """Opening gives an error whose message holds every one of `parts`."""
    with pytest.raises(BundleError) as caught:
        open_bundle(folder)
    assert isinstance(caught.value, InputError)
    for part in ("bundle", str(folder), *parts):
        assert part in str(caught.value)


@pytest.mark.parametrize("named", ["folder", "manifest"])
def test_what_is_written_is_read(tmp_path: Path, named: str) -> None:
    manifest = write_bundle(tmp_path / "b")
    opened = open_bundle(tmp_path / "b" if named == "folder" else str(tmp_path / "b" / MANIFEST))
    assert opened.manifest == manifest
    assert opened.folder == tmp_path / "b"
    assert opened.path_of(manifest.graphs[2]).read_bytes() == b"d" * 99


def test_the_strictest_graph_comes_first(folder: Path) -> None:
    manifest = open_bundle(folder).manifest
    assert [graph.multiple_of for graph in manifest.graphs_of("encoder")] == [224, 16]
    with pytest.raises(BundleError, match="tiny holds no upscaler"):
        manifest.graphs_of("upscaler")


def test_the_embedded_bundle_is_whole_and_small() -> None:
    opened = open_bundle(DEFAULT_BUNDLE)
    manifest = opened.manifest
    assert manifest.target == "onnx"
    assert sum(entry.bytes for entry in manifest.files) <= 16_000_000
    assert {entry.path for entry in manifest.files} | {MANIFEST} == {p.name for p in DEFAULT_BUNDLE.iterdir()}
    assert {(448, 448), (448, 672), (672, 896), (1024, 1024)} <= set(manifest.sizes)
    assert "Apache-2.0" in manifest.licence
    assert "MobileSAM" in manifest.licence


def test_the_embedded_bundle_is_made_from_the_official_checkpoint(checkpoint: Path) -> None:
    assert open_bundle(DEFAULT_BUNDLE).manifest.checkpoint_sha256 == hash_file(checkpoint)


@pytest.mark.parametrize("name", ["encoder.onnx", "encoder.weights", "d.onnx"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_flipped_byte_is_found(folder: Path, name: str, place: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(bytes(content))
    refused(folder, name, "sha256", "damaged")


@pytest.mark.parametrize("name", ["encoder.onnx", "encoder.weights", "d.onnx"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, name, "is missing")


def test_a_folder_in_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / "d.onnx").unlink()
    (folder / "d.onnx").mkdir()
    refused(folder, "d.onnx", "is missing")


@pytest.mark.parametrize("kept", [0, 150])
def test_a_truncated_file_is_named_with_both_sizes(folder: Path, kept: int) -> None:
    path = folder / "encoder.weights"
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, "encoder.weights", f"{kept} bytes", "200")


def test_a_longer_file_is_refused(folder: Path) -> None:
    with (folder / "d.onnx").open("ab") as handle:
        handle.write(b"!")
    refused(folder, "d.onnx", "100 bytes")


def test_an_unreadable_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("sam_edge.bundle.hash_file", fail)
    refused(folder, "d.onnx", "Permission denied")


@pytest.mark.parametrize("schema", [SCHEMA + 1, 99])
def test_a_newer_schema_says_how_to_upgrade(folder: Path, schema: int) -> None:
    rewrite(folder, lambda content: content.update(schema=schema, files="of another shape"))
    refused(folder, f"schema {schema}", f"up to {SCHEMA}", "pip install -U sam-edge")


@pytest.mark.parametrize("schema", [0, -1, 1.0, "1", None, True, [1]])
def test_a_schema_that_is_none_is_refused(folder: Path, schema: object) -> None:
    rewrite(folder, lambda content: content.update(schema=schema))
    refused(folder, "schema", f"1 to {SCHEMA}")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"nonsense", b"\xff\xfe\x00", b"[" * 100_000, b'{"schema": 1', b"1e999", b"\x00" * 50],
)
def test_what_is_not_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    refused(folder, MANIFEST)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"text"', "{}", '{"schema": 1}'])
def test_json_of_something_else_is_refused(folder: Path, content: str) -> None:
    (folder / MANIFEST).write_text(content, encoding="utf-8")
    refused(folder, MANIFEST)


def test_a_missing_folder_and_a_missing_manifest_are_named(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "no such folder", MANIFEST)
    refused(tmp_path, f"has no {MANIFEST}")


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/passwd",
        "sub/../encoder.onnx",
        "..",
        ".",
        "",
        "d.onnx/",
        "../bundle/d.onnx",
        "a//b",
        "c:d",
    ],
)
def test_a_file_name_that_leads_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    """Whatever lies there, and however well its hash fits."""
    secret = folder.parent / "secret"
    secret.write_bytes(b"d" * 99)

    def change(content: dict[str, Any]) -> None:
        entry = next(entry for entry in content["files"] if entry["path"] == "d.onnx")
        entry["path"] = name
        content["graphs"][2]["file"] = name

    rewrite(folder, change)
    refused(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "other.onnx", MANIFEST])
def test_a_graph_in_a_file_that_is_not_listed_is_refused(folder: Path, name: str) -> None:
    rewrite(folder, lambda content: content["graphs"][0].update(file=name))
    refused(folder, repr(name), "not among the listed files")


@pytest.mark.parametrize("name", ["x" * 5000, "d\x00.onnx", "\ud800"])
def test_a_file_name_that_no_disk_has_is_refused(folder: Path, name: str) -> None:
    rewrite(folder, lambda content: content["files"][0].update(path=name))
    refused(folder)


OPTIONAL = {"calibration", "parity", "tools"}


@pytest.mark.parametrize("key", sorted(set(Manifest.__dataclass_fields__) - OPTIONAL))
def test_a_missing_field_is_named(folder: Path, key: str) -> None:
    rewrite(folder, lambda content: content.pop(key))
    refused(folder, key)


@pytest.mark.parametrize("key", sorted(OPTIONAL))
def test_what_is_optional_may_be_missing(folder: Path, key: str) -> None:
    rewrite(folder, lambda content: content.pop(key))
    assert getattr(open_bundle(folder).manifest, key) == {}


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("name",), 5),
        (("target",), ["onnx"]),
        (("files",), {"path": "d.onnx"}),
        (("files", 0, "path"), 5),
        (("files", 0, "bytes"), "99"),
        (("files", 0, "bytes"), True),
        (("files", 0, "sha256"), None),
        (("graphs",), "encoder.onnx"),
        (("graphs", 0, "multiple_of"), 0),
        (("graphs", 0, "multiple_of"), -16),
        (("graphs", 0, "multiple_of"), "16"),
        (("graphs", 0, "file"), ["encoder.onnx"]),
        (("graphs", 0, "inputs"), None),
        (("graphs", 0, "inputs", 0, "shape"), 3),
        (("graphs", 0, "inputs", 0, "shape", 0), 1.5),
        (("sizes", 0), [448]),
        (("sizes", 0, 0), 448.5),
        (("sizes", 0, 0), float("inf")),
        (("sizes", 0, 0), float("nan")),
        (("sizes", 0, 0), "448"),
        (("parity",), 0.99),
        (("calibration",), None),
        (("surprise",), 1),
    ],
)
def test_a_field_of_a_wrong_type_is_refused(folder: Path, where: tuple[Any, ...], value: object) -> None:
    def change(content: Any) -> None:
        for step in where[:-1]:
            content = content[step]
        content[where[-1]] = value

    rewrite(folder, change)
    refused(folder, MANIFEST)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["encoder.onnx", "d.onnx", "../x", MANIFEST, "encoder", 0, 16, 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose manifest is overwritten again and again."""
    folder = tmp_path_factory.mktemp("spare") / "bundle"
    write_bundle(folder)
    shutil.copy(folder / MANIFEST, folder.parent / MANIFEST)
    return folder


def opens_or_is_refused(folder: Path, text: bytes) -> None:
    """Whatever a manifest holds: a `BundleError`, or a manifest that says exactly what is in the file."""
    (folder / MANIFEST).write_bytes(text)
    try:
        manifest = open_bundle(folder).manifest
    except BundleError:
        return
    said, given_text = json.loads(manifest.to_json()), json.loads(text)
    for graph in given_text["graphs"]:
        # What older manifests do not say: any engine may open the graph.
        graph.setdefault("engine", "")
    assert {key: said[key] for key in given_text} == given_text
    assert all((folder / graph.file).is_file() for graph in manifest.graphs)


@given(data=st.data())
def test_no_mutation_of_a_manifest_raises_anything_else(spare: Path, data: st.DataObject) -> None:
    content = json.loads((spare.parent / MANIFEST).read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        place = content
        while True:
            steps = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not steps:
                break
            step = data.draw(st.sampled_from(steps))
            inner = place[step]
            if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
                place = inner
                continue
            match data.draw(st.sampled_from(["replace", "delete", "repeat", "rename"])):
                case "replace":
                    place[step] = data.draw(JSON)
                case "delete":
                    del place[step]
                case "repeat" if isinstance(place, list):
                    place.append(inner)
                case _ if isinstance(place, dict):
                    place[data.draw(st.text(max_size=5))] = inner
            break
    opens_or_is_refused(spare, json.dumps(content).encode("utf-8", "surrogatepass"))


@given(places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_flipped_bytes_in_a_manifest_raise_anything_else(
    spare: Path, places: list[tuple[int, int]]
) -> None:
    text = bytearray((spare.parent / MANIFEST).read_bytes())
    for place, value in places:
        text[place % len(text)] = value
    opens_or_is_refused(spare, bytes(text))


def test_read_manifest_reads_the_file_that_is_named(folder: Path) -> None:
    assert read_manifest(folder / MANIFEST).name == "tiny"
