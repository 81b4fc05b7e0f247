"""An engine bench in a process of its own: as in an app, threads and memory of other engines do not affect it.

A request is a pickled method name and its arguments. An answer is a pickled success flag and the result or error text.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import BinaryIO, cast

from sam_edge.closing import Closing
from sam_edge.errors import EngineError
from sam_edge.profile.measure.energy import EnergyMeter
from sam_edge.profile.measure.engine_bench import CallBlock, EngineBench
from sam_edge.profile.measure.failures import describe_error
from sam_edge.profile.plan import EngineConfig, TimingCase

ANSWER_TIMEOUT_S = 120.0
"""A process that has not answered after this time is killed."""
EXIT_TIMEOUT_S = 10.0
"""A process that has not ended this long after its input was closed is killed."""
PROGRAM = "from sam_edge.profile.measure.subprocess_bench import main; main()"


class SubprocessBench(Closing):
    """Has the methods of `EngineBench`, which run in another process. Every failure there is an `EngineError` here."""

    def __init__(self, engine: EngineConfig, energy: EnergyMeter | None = None) -> None:
        """Start the process, which opens nothing yet."""
        self._reader = ThreadPoolExecutor(1)
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        # If the process has already ended, the first request reports it.
        with contextlib.suppress(OSError):
            self._send((engine, energy))

    @property
    def pid(self) -> int:
        """Process number of the other process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Exit status of the other process, negative for a signal; None while it runs."""
        return self._process.returncode

    def open(self, size: tuple[int, int]) -> str | None:
        """See `EngineBench.open`."""
        return cast(str | None, self._request("open", size))

    def time_block(self, case: TimingCase, target_ms: float) -> CallBlock:
        """See `EngineBench.time_block`."""
        return cast(CallBlock, self._request("time_block", case, target_ms))

    def close(self) -> None:
        """End the process and wait for it."""
        with contextlib.suppress(OSError):
            self._requests.close()
        self._wait_for_exit()
        self._reader.shutdown()
        self._answers.close()

    def _request(self, method: str, *arguments: object) -> object:
        """Send a request and wait for the answer.

        Raises:
            EngineError: the call failed, the process died, or it did not answer in time.
        """
        try:
            self._send((method, *arguments))
            success, result = self._reader.submit(pickle.load, self._answers).result(ANSWER_TIMEOUT_S)
        except FutureTimeout as error:  # before Python 3.11 this is not the builtin TimeoutError
            self._process.kill()
            raise EngineError(f"no answer after {ANSWER_TIMEOUT_S:g} s") from error
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise EngineError(describe_exit(self._wait_for_exit())) from error
        if not success:
            raise EngineError(result)
        return result

    def _send(self, message: object) -> None:
        pickle.dump(message, self._requests)
        self._requests.flush()

    def _wait_for_exit(self) -> int:
        """Wait for the process to end, kill it if it takes too long, and return its exit status."""
        try:
            return self._process.wait(EXIT_TIMEOUT_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            return self._process.wait()


def describe_exit(status: int) -> str:
    """Describe an exit status; negative values are signals."""
    return (
        f"the process died of signal {-status}" if status < 0 else f"the process ended with status {status}"
    )


def main() -> None:
    """Answer the requests on standard input until it is closed."""
    # Ctrl-C in a terminal reaches this process too. The parent ends it by closing standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Output that an engine prints must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer_requests(sys.stdin.buffer, answers)


def answer_requests(requests: BinaryIO, answers: BinaryIO) -> None:
    """Make a bench with the arguments of the first message, and call its methods as the further ones say."""
    bench = EngineBench(*pickle.load(requests))
    while True:
        try:
            method, *arguments = pickle.load(requests)
        except EOFError:
            break
        try:
            answer = True, getattr(bench, method)(*arguments)
        except Exception as error:  # engines' errors share no base class but Exception
            answer = False, describe_error(error)
        pickle.dump(answer, answers)
        answers.flush()
    bench.close()
