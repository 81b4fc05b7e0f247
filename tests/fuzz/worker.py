"""Fuzz one target in this process until its time is over or it crashes: started by `python -m tests.fuzz`.

With atheris (https://github.com/google/atheris) inputs that reach new code are kept and changed further. Without it
inputs are made from the seeds alone.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import importlib.util
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.target import MAX_BYTES

STARTED = "started"
"""File next to the corpus that says that fuzzing has begun."""


def main() -> None:
    """Run the command line of one worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--hang-s", type=int, required=True)
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--crashes", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    _run_guided(args) if importlib.util.find_spec("atheris") else _run_blind(args)


def _say_started(args: argparse.Namespace) -> None:
    """Leave a mark for the parent, whose clock begins here: imports may take a minute."""
    (args.corpus.parent / STARTED).touch()


def _run_guided(args: argparse.Namespace) -> None:
    """Let atheris choose the inputs; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["sam_edge"]):
        from tests.fuzz.registry import targets

        target = targets()[args.target]
        for number, data in enumerate(target.inputs()):
            (args.corpus / f"seed-{number}").write_bytes(data)
            target.try_input(data)
    _say_started(args)
    options = {
        "max_total_time": args.seconds,
        "timeout": args.hang_s,
        "rss_limit_mb": args.memory_mib,
        "max_len": MAX_BYTES,
        "artifact_prefix": f"{args.crashes}/",
        "print_final_stats": 1,
        "seed": args.seed,
    }
    arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(args.corpus)]
    atheris.Setup(arguments, lambda data: target.try_input(data) and None)
    atheris.Fuzz()


def _run_blind(args: argparse.Namespace) -> None:
    """Try inputs made from the seeds; a hang ends the process, with its input left in the folder of crashes."""
    from tests.fuzz.mutations import make_inputs
    from tests.fuzz.registry import targets

    target = targets()[args.target]
    _say_started(args)
    end, count = time.monotonic() + args.seconds, 0
    current = args.crashes / "hang-or-killed"
    for data in make_inputs(target.inputs(), seed=args.seed):
        if time.monotonic() >= end:
            break
        current.write_bytes(data)
        faulthandler.dump_traceback_later(args.hang_s, exit=True)
        try:
            target.try_input(data)
        except Exception:
            name = args.crashes / f"crash-{hashlib.sha256(data).hexdigest()[:16]}"
            current.rename(name)
            traceback.print_exc()
            print(f"input: {name}", file=sys.stderr)
            sys.exit(1)
        finally:
            faulthandler.cancel_dump_traceback_later()
        count += 1
    current.unlink(missing_ok=True)
    print(f"stat::number_of_executed_units: {count}", file=sys.stderr)


if __name__ == "__main__":
    main()
