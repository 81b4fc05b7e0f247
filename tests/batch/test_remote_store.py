"""Output and recordings in an object store: a real S3 server (moto's) on loopback, and fsspec's memory."""

from __future__ import annotations

import pickle
import shutil
import socket
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from sam_edge.batch.done import read_done
from sam_edge.batch.outcome import StorageError
from sam_edge.batch.places import list_files, open_store
from sam_edge.batch.remote import SPARE_BYTES, fetch_remote
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.batch.work import process
from sam_edge.errors import InputError, MissingExtraError

DEMO = Path(__file__).resolve().parents[2] / "sam_edge" / "assets" / "demo"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server that handles one request after the other: conditions are atomic, as S3's are."""
    pytest.importorskip("s3fs", reason="s3fs is missing; get it: pip install 'sam-edge[cloud]'")
    moto = pytest.importorskip(
        "moto.server", reason="moto is missing; get it: pip install 'sam-edge[test-cloud]'"
    )
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):  # type: ignore[misc, unused-ignore]
        def log(self, type: str, message: str, *args: object) -> None:
            """Print no line for each request."""

    application = moto.DomainDispatcherApplication(moto.create_backend_app)
    wsgi = make_server("127.0.0.1", 0, application, threaded=False, request_handler=Quiet)
    thread = threading.Thread(target=wsgi.serve_forever, name="s3", daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{wsgi.server_port}"
    wsgi.shutdown()
    thread.join()
    wsgi.server_close()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket."""
    for name, value in {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": server,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    bucket = f"bucket-{uuid.uuid4().hex}"
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir(bucket)
    return f"s3://{bucket}"


@pytest.fixture
def memory() -> str:
    """A URL in the memory of this process."""
    pytest.importorskip("fsspec", reason="fsspec is missing; get it: pip install 'sam-edge[cloud]'")
    return f"memory://{uuid.uuid4().hex}"


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    return open_store(f"{request.getfixturevalue(request.param)}/out/")


def test_files_are_written_read_listed_and_removed(store: Store, tmp_path: Path) -> None:
    assert store.read("run.json") is None
    assert not store.exists("run.json")
    assert store.list("recordings/") == []
    store.write("run.json", b"1")
    store.write("run.json", b"2")
    store.write("recordings/b/done.json", b"3")
    store.write("recordings2/x", b"4")
    assert store.read("run.json") == b"2"
    assert store.exists("run.json")
    assert not store.exists("recordings")
    local = tmp_path / "results"
    (local / "inner").mkdir(parents=True)
    (local / "a.csv").write_bytes(b"a")
    (local / "inner" / "b.csv").write_bytes(b"b" * 100_000)
    store.upload(local, "recordings/a/attempts/1")
    assert store.list("recordings/") == [
        "recordings/a/attempts/1/a.csv",
        "recordings/a/attempts/1/inner/b.csv",
        "recordings/b/done.json",
    ]
    assert store.read("recordings/a/attempts/1/inner/b.csv") == b"b" * 100_000
    store.remove("recordings/a")
    store.remove("recordings/a")
    store.remove("run.json")
    assert store.list("recordings/") == ["recordings/b/done.json"]
    assert store.list("") == ["recordings/b/done.json", "recordings2/x"]
    assert store.free_bytes() is None


def test_of_several_that_create_a_file_at_once_one_succeeds(store: Store) -> None:
    contents = [f"{index}".encode() for index in range(8)]
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda content: store.create_if_absent("done.json", content), contents))
    assert sum(created) == 1
    assert store.read("done.json") == contents[created.index(True)]


def test_a_store_can_be_sent_to_a_worker(s3: str) -> None:
    sent = pickle.loads(pickle.dumps(open_store(f"{s3}/out")))
    sent.write("a", b"1")
    assert open_store(f"{s3}/out").read("a") == b"1"


def test_the_memory_of_a_process_cannot_be_sent(memory: str) -> None:
    with pytest.raises(StorageError, match="other processes do not see this process's memory"):
        pickle.dumps(open_store(memory))


def test_recordings_are_listed_with_a_version_of_their_content(s3: str) -> None:
    place = open_store(f"{s3}/study")
    place.write("p1/scene.mp4", b"12345")
    place.write("p1/.hidden", b"1")
    place.write("p2/gaze.csv", b"1")
    first = list_files(f"{s3}/study")
    assert [(entry.path, entry.bytes) for entry in first] == [("p1/scene.mp4", 5), ("p2/gaze.csv", 1)]
    place.write("p2/gaze.csv", b"2")
    second = list_files(f"{s3}/study/")
    assert second[0] == first[0]
    assert second[1].version != first[1].version
    assert [entry.path for entry in list_files(f"{s3}/study/p2/gaze.csv")] == ["gaze.csv"]


def test_a_recording_is_fetched(s3: str, tmp_path: Path) -> None:
    place = open_store(f"{s3}/study")
    place.write("p1/scene.mp4", b"12345")
    place.write("p1/inner/gaze.csv", b"1")
    place.write("p12/other", b"1")
    folder = place.fetch(f"{s3}/study/p1", tmp_path / "0")
    assert folder == tmp_path / "0" / "p1"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"scene.mp4", "inner/gaze.csv"}
    file = place.fetch(f"{s3}/study/p1/scene.mp4", tmp_path / "1")
    assert file == tmp_path / "1" / "scene.mp4"
    assert file.read_bytes() == b"12345"
    assert place.fetch(str(tmp_path), tmp_path / "2") == tmp_path


def test_a_folder_with_one_file_of_its_own_name_stays_a_folder(s3: str, tmp_path: Path) -> None:
    open_store(s3).write("study/p1/p1", b"12345")
    assert fetch_remote(f"{s3}/study/p1", tmp_path).is_dir()


def test_names_that_lead_out_of_the_recording_are_refused(s3: str, tmp_path: Path) -> None:
    open_store(s3).write("study/p1/a/../../../escaped", b"1")
    with pytest.raises(StorageError, match="leads out of the recording"):
        fetch_remote(f"{s3}/study/p1", tmp_path / "inner")
    assert not list(tmp_path.rglob("escaped"))


def test_too_little_space_is_noticed_before_the_copy(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(s3).write("study/p1/scene.mp4", b"12345")
    usage = shutil.disk_usage(tmp_path)._replace(free=SPARE_BYTES + 4)
    monkeypatch.setattr("sam_edge.batch.remote.shutil.disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match=r"has 100 MB free.*give another folder with --scratch"):
        fetch_remote(f"{s3}/study/p1", tmp_path)
    assert not list(tmp_path.rglob("scene.mp4"))


def test_a_recording_is_processed_from_and_to_s3_as_it_is_locally(s3: str, tmp_path: Path) -> None:
    settings = Settings(do=("events",))
    for file in ("gaze.csv", "gaze.csv.json"):
        open_store(s3).write(f"study/p1/{file}", (DEMO / file).read_bytes())
    files = []
    for uri, place in (
        (str(DEMO / "gaze.csv"), str(tmp_path / "out")),
        (f"{s3}/study/p1/gaze.csv", f"{s3}/out"),
    ):
        target = open_store(place)
        outcome = process(Recording("demo", uri), settings, target, tmp_path / "scratch")
        assert outcome.state == "done", outcome
        done = read_done(target, "demo")
        assert done is not None
        files.append([(entry.path, target.read(done.path_of(entry.path))) for entry in done.files])
    assert files[0] == files[1]
    assert list((tmp_path / "scratch").iterdir()) == []


def attempts_at(store: Store) -> Iterator[tuple[str, Any]]:
    """Every way in which a run meets a place that cannot be used."""
    yield "write", lambda: store.write("run.json", b"1")
    yield "create", lambda: store.create_if_absent("run.json", b"1")
    yield "upload", lambda: store.upload(DEMO / "gaze.csv", "gaze.csv")


def test_a_bucket_that_is_missing_is_a_clear_line(s3: str) -> None:
    missing = f"{s3}-missing/out"
    for name, attempt in attempts_at(open_store(missing)):
        with pytest.raises(
            StorageError, match=rf"{missing}/.*no such bucket, file or folder.*create the bucket"
        ):
            pytest.fail(f"{name} gave {attempt()}")
    with pytest.raises(StorageError, match="no such"):
        list_files(missing)
    with pytest.raises(StorageError, match="no such file or folder"):
        list_files(f"{s3}/nothing/here")


def test_refused_credentials_are_a_clear_line(s3: str, server: str) -> None:
    set_checked_requests(server, checked=True)
    try:
        store = open_store(f"{s3}/out")
        reading = (("read", lambda: store.read("a")), ("exists", lambda: store.exists("a")))
        for name, attempt in (*attempts_at(store), *reading):
            with pytest.raises(StorageError, match=r"access is refused .*; check the credentials"):
                pytest.fail(f"{name} gave {attempt()}")
    finally:
        set_checked_requests(server, checked=False)


def set_checked_requests(server: str, *, checked: bool) -> None:
    """Let the server check every request's credentials from now on, or none."""
    count = "0" if checked else "inf"
    headers = {"Content-Type": "text/plain"}
    request = Request(f"{server}/moto-api/reset-auth", data=count.encode(), headers=headers, method="POST")
    with urlopen(request) as reply:
        assert reply.status == 200


def test_without_credentials_there_is_a_clear_line(
    s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import s3fs

    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageError, match="no credentials can be used"):
        open_store(f"{s3}/out").write("run.json", b"1")


def test_a_host_that_does_not_answer_is_a_clear_line(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # it is reserved and does not listen
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        s3fs.S3FileSystem.clear_instance_cache()
        with pytest.raises(StorageError, match="the host cannot be reached"):
            open_store(f"{s3}/out").write("run.json", b"1")


def test_what_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match="pip install gcsfs"):
        open_store("gs://bucket/out")
    with pytest.raises(InputError, match=r"nosuch://.*accepted: a path, s3://, gs://"):
        open_store("nosuch://bucket/out")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"s3:// needs fsspec.*pip install 'sam-edge\[cloud\]'"):
        open_store("s3://bucket/out")
