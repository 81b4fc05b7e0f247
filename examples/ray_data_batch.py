"""Recordings in a Ray Data pipeline: a table with a row for each recording goes in, a table of results comes out.

    pip install -e '.[ray]' 'ray[data]'
    python examples/ray_data_batch.py OUT RECORDING [RECORDING ...]

Expect: Ray's progress, then one line for each recording; the results in OUT.

The worker reads the video itself, so that no pixels go through Ray's object store.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

try:
    import numpy as np

    from sam_edge.batch import Settings, Worker
    from sam_edge.errors import SamEdgeError
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e '.[ray]'")
except KeyboardInterrupt:
    sys.exit(130)

THREADS = 1
"""Threads of one inference: as many as the CPUs that Ray gives to a worker."""
SHOWN = ("recording", "state", "message", "results")


class BatchWorker:
    """Processes the recordings of a batch; Ray makes one in each of its workers."""

    def __init__(self, out: str) -> None:
        self._worker = Worker(out, Settings(threads=THREADS))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Take and return columns, as `map_batches` does."""
        rows = [
            self._worker(dict(zip(batch, values, strict=True)))
            for values in zip(*batch.values(), strict=True)
        ]
        return {name: np.array([row[name] for row in rows]) for name in SHOWN}


def main() -> None:
    """Process the recordings that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", metavar="OUT", help="folder or address that the results go to")
    parser.add_argument("recordings", metavar="RECORDING", nargs="+")
    args = parser.parse_args()
    try:
        import ray.data
    except ImportError as error:
        sys.exit(f"{error.name} is missing. This example needs: pip install -e '.[ray]' 'ray[data]'")
    table = ray.data.from_items([{"recording": recording} for recording in args.recordings])
    done = table.map_batches(
        BatchWorker,
        fn_constructor_args=(args.out,),
        batch_size=1,
        num_cpus=THREADS,
        memory=1_500_000_000,
        concurrency=(1, 4),
    )
    for row in done.take_all():
        print(*(row[name] for name in SHOWN))


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
