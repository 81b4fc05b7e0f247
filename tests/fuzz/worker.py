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

from tests.fuzz.registry import targets_of
from tests.fuzz.target import MAX_BYTES, FuzzTarget

HANG_FACTOR = 12
"""A hang ends the process after this many times the limit, which counts time of the processor."""
STARTED = "started"
"""File next to the corpus that says that fuzzing has begun."""


def main() -> None:
    """Run the command line of one worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--module", required=True, help="the target's module in tests.fuzz")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--hang-s", type=int, required=True)
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--crashes", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    _run_guided(args) if importlib.util.find_spec("atheris") else _run_blind(args)


def _find(args: argparse.Namespace) -> FuzzTarget:
    return next(target for target in targets_of(args.module) if target.name == args.target)


def _try(target: FuzzTarget, data: bytes, hang_s: float) -> None:
    """Parse an input. Raises `TimeoutError` when it takes too much time of the processor."""
    begin = time.process_time()
    target.try_input(data)
    taken_s = time.process_time() - begin
    if taken_s > hang_s:
        raise TimeoutError(f"the input took {taken_s:.1f} s; accepted: {hang_s:.1f} s")


def _say_started(args: argparse.Namespace) -> None:
    """Leave a mark for the parent, whose clock begins here: imports may take a minute."""
    (args.corpus.parent / STARTED).touch()


def _run_guided(args: argparse.Namespace) -> None:
    """Let atheris choose the inputs; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["sam_edge"]):
        target = _find(args)
        for number, data in enumerate(target.inputs()):
            (args.corpus / f"seed-{number}").write_bytes(data)
            target.try_input(data)
    _say_started(args)
    options = {
        "max_total_time": args.seconds,
        # By the clock on the wall, which runs on while other programs have the processor.
        "timeout": HANG_FACTOR * args.hang_s,
        "rss_limit_mb": args.memory_mib,
        "max_len": MAX_BYTES,
        "artifact_prefix": f"{args.crashes}/",
        "print_final_stats": 1,
        # By the clock on the wall, too; `_try` looks at the processor's.
        "report_slow_units": 1_000_000,
        "seed": args.seed,
    }
    arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(args.corpus)]
    atheris.Setup(arguments, lambda data: _try(target, data, args.hang_s))
    atheris.Fuzz()


def _run_blind(args: argparse.Namespace) -> None:
    """Try inputs made from the seeds; a hang ends the process, with its input left in the folder of crashes."""
    from tests.fuzz.mutations import make_inputs

    target = _find(args)
    _say_started(args)
    end, count = time.monotonic() + args.seconds, 0
    current = args.crashes / "hang-or-killed"
    for data in make_inputs(target.inputs(), seed=args.seed):
        if time.monotonic() >= end:
            break
        current.write_bytes(data)
        faulthandler.dump_traceback_later(HANG_FACTOR * args.hang_s, exit=True)
        try:
            _try(target, data, args.hang_s)
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
