"""Archives: every recording below some folders, on one machine, in shards, or on a cluster.

docs/how-to/batch.md has the how-to.
"""

from sam_edge.batch.executor import Executor, Work
from sam_edge.batch.outcome import Outcome, StorageError
from sam_edge.batch.places import open_store
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.batch.work import process
from sam_edge.batch.worker import Worker

__all__ = [
    "Executor",
    "Outcome",
    "Recording",
    "Settings",
    "StorageError",
    "Store",
    "Work",
    "Worker",
    "open_store",
    "process",
]
