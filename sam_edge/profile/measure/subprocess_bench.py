"""A workbench in a process of its own, as an engine has one in an app: threads and memory of others change its speed.

A request is a pickled method and its arguments; an answer is whether it went well, and the result or the reason.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from typing import BinaryIO, cast

from sam_edge.errors import EngineError
from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.engine_bench import Block, Workbench
from sam_edge.profile.measure.failures import reason
from sam_edge.profile.plan import Case, Engine

TIMEOUT_S = 120.0
"""A process that has not answered after this is given up."""
ENDS_S = 10.0
"""A process that was asked to end has this long."""
PROGRAM = "from sam_edge.profile.measure.subprocess_bench import main; main()"


class Apart:
    """The same as `Workbench`, in another process. Whatever happens there is an `EngineError` here."""

    def __init__(self, engine: Engine, energy: EnergyMeter | None = None) -> None:
        """Start the process; it opens nothing yet."""
        self._reader = ThreadPoolExecutor(1)
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        # Where the process has ended already the first answer says so.
        with contextlib.suppress(OSError):
            self._send((engine, energy))

    def open(self, size: tuple[int, int]) -> str | None:
        """See `Workbench.open`."""
        return cast(str | None, self._ask("open", size))

    def block(self, case: Case, target_ms: float) -> Block:
        """See `Workbench.block`."""
        return cast(Block, self._ask("block", case, target_ms))

    def close(self) -> None:
        """End the process, and wait for it."""
        with contextlib.suppress(OSError):
            self._requests.close()
        self._ended()
        self._reader.shutdown()
        self._answers.close()

    def _ask(self, method: str, *arguments: object) -> object:
        """Ask, and wait for the answer.

        Raises:
            EngineError: the call failed there, the process died, or it does not answer.
        """
        try:
            self._send((method, *arguments))
            well, result = self._reader.submit(pickle.load, self._answers).result(TIMEOUT_S)
        except NotInTime as error:  # the builtin one is another class before Python 3.11
            self._process.kill()
            raise EngineError(f"no answer after {TIMEOUT_S:g} s") from error
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise EngineError(self._death()) from error
        if not well:
            raise EngineError(result)
        return result

    def _send(self, message: object) -> None:
        pickle.dump(message, self._requests)
        self._requests.flush()

    def _ended(self) -> int:
        """Wait for the process, and kill it when it takes too long; returns its status."""
        try:
            return self._process.wait(ENDS_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            return self._process.wait()

    def _death(self) -> str:
        """Say how the process ended."""
        status = self._ended()
        return (
            f"the process died of signal {-status}"
            if status < 0
            else f"the process ended with status {status}"
        )


def main() -> None:
    """Answer requests until there are no more."""
    # Ctrl-C on a terminal reaches this process, too; the other one ends it by closing its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What an engine prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer(sys.stdin.buffer, answers)


def answer(requests: BinaryIO, answers: BinaryIO) -> None:
    """Make a workbench as the first message says, and call its methods as the others do."""
    bench = Workbench(*pickle.load(requests))
    while True:
        try:
            method, *arguments = pickle.load(requests)
        except EOFError:
            break
        try:
            said = True, getattr(bench, method)(*arguments)
        except Exception as error:  # engines' errors share no base class but Exception
            said = False, reason(error)
        pickle.dump(said, answers)
        answers.flush()
    bench.close()
