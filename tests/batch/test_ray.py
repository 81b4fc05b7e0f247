"""Ray as the engine, on a real cluster of two nodes on this machine. Ray's start takes seconds, and is made once."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sam_edge.batch.done import Done, Figures, commit
from sam_edge.batch.engines import open_executor
from sam_edge.batch.local_store import LocalStore
from sam_edge.batch.outcome import Outcome
from sam_edge.batch.ray_executor import RayExecutor
from sam_edge.batch.ray_worker import RayJob, check_node, run_task
from sam_edge.batch.settings import Settings
from sam_edge.batch.unit import Recording
from sam_edge.errors import EngineError, InputError, MissingExtraError

pytestmark = [
    pytest.mark.slow,
    # Ray leaves files and sockets open, and warns of its own next release.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::DeprecationWarning:ray"),
]
HERE = Path(__file__).parent
SETTINGS = Settings(do=("events",), memory_bytes=100_000_000)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of two CPUs each; the tests' modules can be imported on them."""
    pytest.importorskip("ray", reason="ray is missing; get it: pip install 'sam-edge[ray]'")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", ":".join([str(HERE), *filter(None, sys.path)]))
        node: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 100_000_000}
        made: Any = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        made.add_node(**node)
        yield made
        made.shutdown()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in, under the name by which the nodes import it."""
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("ray_work").work


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "out"))


def run(
    cluster: Any, work: Any, store: LocalStore, ids: Sequence[str], settings: Settings = SETTINGS
) -> dict[str, Outcome]:
    """Run the stand-in, and return the outcomes by id; each must come once."""
    outcomes: list[Outcome] = []
    executor = RayExecutor(cluster.address, None, settings, work=work)
    executor.run([Recording(name, f"/data/{name}") for name in ids], settings, store, outcomes.append)
    assert sorted(outcome.id for outcome in outcomes) == sorted(ids)
    return {outcome.id: outcome for outcome in outcomes}


def test_every_recording_is_done_once(cluster: Any, work: Any, store: LocalStore) -> None:
    ids = [f"plain-{index}" for index in range(30)]
    outcomes = run(cluster, work, store, ids)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}
    assert {outcome.attempts for outcome in outcomes.values()} == {1}
    assert len(store.list("started/")) == len(ids)
    assert not any(Path((store.read(path) or b"").decode()).exists() for path in store.list("scratch/"))


def test_a_lost_worker_is_replaced(cluster: Any, work: Any, store: LocalStore) -> None:
    outcomes = run(cluster, work, store, ["once-1", "plain-1", "killed-1", "memory-1"])
    assert (outcomes["once-1"].state, outcomes["once-1"].attempts) == ("done", 2)
    assert (outcomes["memory-1"].state, outcomes["memory-1"].attempts) == ("done", 2)
    assert outcomes["plain-1"].attempts == 1
    killed = outcomes["killed-1"]
    assert (killed.state, killed.error_class, killed.attempts) == ("failed", "lost", 3)
    assert "died unexpectedly" in killed.message
    assert len(store.list("started/killed-1/")) == 3


def test_short_recordings_share_tasks_and_one_that_kills_its_worker_costs_the_others_a_try(
    cluster: Any, work: Any, store: LocalStore
) -> None:
    ids = [f"plain-{index}" for index in range(120)] + ["killed-1"] + [f"plain-{n}" for n in range(120, 160)]
    outcomes = run(cluster, work, store, ids)
    killed = outcomes.pop("killed-1")
    assert (killed.state, killed.error_class, killed.attempts) == ("failed", "lost", 3)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}
    assert {outcome.attempts for outcome in outcomes.values()} <= {1, 2}


def test_what_was_done_before_its_worker_was_lost_is_not_done_again(store: LocalStore, work: Any) -> None:
    done = Done(
        "plain-1", SETTINGS.fingerprint(), "attempt", (), Figures(frames=7), "there", "", 1, 2.0, 0.0, ""
    )
    commit(store, done)
    recordings = [Recording(name, "/data") for name in ("plain-1", "plain-2")]
    for again, begun in ((True, ["plain-2"]), (False, ["plain-1", "plain-2"])):
        outcomes = run_task(recordings, RayJob(work, SETTINGS, store), again).outcomes
        assert [outcome.id for outcome in outcomes] == ["plain-1", "plain-2"]
        assert sorted({path.split("/")[1] for path in store.list("started/")}) == begun
        assert (outcomes[0].host, outcomes[0].frames) == (("there", 7) if again else ("", 1))


def test_a_recording_that_takes_too_long_is_given_up(cluster: Any, work: Any, store: LocalStore) -> None:
    settings = Settings(do=("events",), memory_bytes=100_000_000, min_timeout_s=1.0)
    outcome = run(cluster, work, store, ["slow-1"], settings)["slow-1"]
    assert (outcome.state, outcome.error_class, outcome.attempts) == ("failed", "timeout", 1)
    assert "not finished after 1 s" in outcome.message


def test_what_is_in_flight_is_ended_when_the_run_is_interrupted(
    cluster: Any, work: Any, store: LocalStore
) -> None:
    def interrupt(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    executor = RayExecutor(cluster.address, None, SETTINGS, work=work)
    recordings = [Recording(name, "/data") for name in ("slow-1", "plain-1", "plain-2", "plain-3")]
    with pytest.raises(KeyboardInterrupt):
        executor.run(recordings, SETTINGS, store, interrupt)
    for path in store.list("started/"):
        process = int(store.read(path) or b"0")
        wait_until(lambda process=process: not is_busy(process))


def is_busy(process: int) -> bool:
    """Say whether a worker of Ray is working on a task: it names itself after it."""
    try:
        return b"run_task" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def wait_until(condition: Any) -> None:
    """Wait for a condition, 60 s at most."""
    tick, deadline = threading.Event(), time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        tick.wait(0.1)


def test_the_workers_are_counted_by_cpus_and_memory(cluster: Any) -> None:
    import ray

    assert RayExecutor(cluster.address, None, SETTINGS).workers == 4
    assert RayExecutor(cluster.address, 3, SETTINGS).workers == 3
    assert RayExecutor(cluster.address, None, Settings(threads=2, memory_bytes=1000)).workers == 2
    with pytest.warns(match=r"a worker needs 3 CPUs .* the largest node has 2 and"):
        assert RayExecutor(cluster.address, None, Settings(threads=3)).workers == 1
    assert not ray.is_initialized()


def test_a_node_with_another_version_ends_the_run(cluster: Any, store: LocalStore) -> None:
    with pytest.raises(EngineError, match=r"a node of the cluster cannot do the work: .*ray_nowhere"):
        run(cluster, _nowhere(), store, ["plain-1"])


def _nowhere() -> Any:
    """Return a function of a module that the nodes do not have."""
    import types

    module = types.ModuleType("ray_nowhere")
    exec("def work(recording, settings, store, scratch): return None", module.__dict__)
    sys.modules["ray_nowhere"] = module
    return module.__dict__["work"]


def test_a_task_refuses_another_version_and_another_model(store: LocalStore, work: Any) -> None:
    check_node.cache_clear()
    with pytest.raises(EngineError, match=r"the driver has 0\.0\.7; install the same"):
        run_task([Recording("plain", "/data")], RayJob(work, SETTINGS, store, version="0.0.7"), False)
    other = Settings(runtime="fake", model_sha256="0" * 64)
    with pytest.raises(EngineError, match=r"the model in the package on .* the driver's has 000000000000"):
        run_task([Recording("plain", "/data")], RayJob(work, other, store), False)


def test_an_engine_is_opened_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="ray is missing; get it: pip install 'sam-edge[ray]'")
    assert isinstance(open_executor("ray://localhost:10001", 2, SETTINGS), RayExecutor)
    with pytest.raises(InputError, match="accepted: local, ray, ray://HOST:PORT"):
        open_executor("dask", None, SETTINGS)
    with pytest.raises(InputError, match="workers: 0"):
        open_executor("ray", 0, SETTINGS)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sam-edge\[ray\]'"):
        open_executor("ray", None, SETTINGS)
