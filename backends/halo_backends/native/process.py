"""The child process from outside: started, asked with a time limit, and how it ended if it did."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import halo_backends
import odla
from halo_backends.native.wire import PROGRESS_BYTES, CallStep, read_progress, receive, send

_BOOT = "import sys; sys.path[:] = {path!r}; from halo_backends.native.child import main; main()"
_ROOTS = tuple(dict.fromkeys(str(Path(file).parents[1]) for file in (odla.__file__, halo_backends.__file__)))
"""Where the child finds these packages, however they are installed."""
_PRINTED_BYTES = 4096
_WATCH_SECONDS = 0.2
_ENDING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that did not do what it was asked for. `number` is its place among the calls of one request."""

    number: int
    function: str
    label: str
    reason: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What each call answered that was made, and the first that failed."""

    answers: Sequence[dict[str, Any]]
    failure: Failure | None


class LibraryDiedError(Exception):
    """The process that holds the library ended, or was ended because a call took too long."""

    def __init__(self, function: str, label: str, how: str, printed: str) -> None:
        super().__init__(f"{function} {how}")
        self.function = function
        self.label = label
        self.how = how
        self.printed = printed


class SharedMemory:
    """Memory that the child sees too; it is given back when the last array in it is gone."""

    def __init__(self, bytes: int) -> None:
        self.bytes = max(1, bytes)
        self.file = _anonymous_file(self.bytes)
        self.memory = mmap.mmap(self.file, self.bytes)
        weakref.finalize(self, os.close, self.file)


def _anonymous_file(bytes: int) -> int:
    if sys.platform == "linux":
        file = os.memfd_create("odla")
    else:
        with tempfile.TemporaryFile() as stream:
            file = os.dup(stream.fileno())
    os.truncate(file, bytes)
    return file


class LibraryProcess:
    """A child that serves one library. No call may take longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._progress = SharedMemory(PROGRESS_BYTES)
        self._arenas = 0
        self._printed: deque[bytes] = deque(maxlen=64)
        ours, theirs = socket.socketpair()
        life, held = os.pipe()
        files = (theirs.fileno(), self._progress.file, life)
        # Without `site`: everything the child needs is on this path, and it starts in half the time.
        command = [sys.executable, "-S", "-c", _BOOT.format(path=[*_ROOTS, *sys.path]), *map(str, files)]
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=files,
            start_new_session=True,
            env=_environment(),
        )
        theirs.close()
        os.close(life)
        self._channel = ours
        self._poll = select.poll()
        self._poll.register(ours, select.POLLIN)
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=_keep_last, args=(self._process.stdout, self._printed), daemon=True)
        self._reader.start()
        self._end = weakref.finalize(self, _end, self._process, ours, held, os.getpid())

    @property
    def alive(self) -> bool:
        """Whether calls can still be made."""
        return self._end.alive

    @property
    def printed(self) -> str:
        """The last that the library wrote to its standard output and error."""
        text = b"".join(tuple(self._printed))[-_PRINTED_BYTES:].decode("utf-8", "replace")
        return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text).strip()

    def close(self) -> None:
        """End the process."""
        self._end()

    def load(self, path: str) -> tuple[str, ...]:
        """Load the library; answers the functions it exports. Raises OSError with the loader's text."""
        answer = self._ask({"do": "load", "path": path})
        if "error" in answer:
            raise OSError(answer["error"])
        return tuple(answer["exported"])

    def share(self, memory: SharedMemory, *, private: bool) -> int:
        """Let the child see memory (`private`: what it writes there is not seen here). Answers the arena's number."""
        self._arenas += 1
        message = {"do": "map", "arena": self._arenas, "bytes": memory.bytes, "private": private}
        self._ask(message, memory.file)
        return self._arenas

    def unshare(self, arena: int) -> None:
        """Let go of an arena."""
        self._ask({"do": "unmap", "arena": arena})

    def call(self, steps: Sequence[CallStep]) -> Answers:
        """Make calls up to the first that fails. Raises LibraryDiedError."""
        if not steps:
            return Answers((), None)
        answers: list[dict[str, Any]] = self._ask({"do": "calls", "calls": [step.encoded() for step in steps]})[
            "answers"
        ]
        last = len(answers) - 1
        if "failed" not in answers[last] or steps[last].may_fail:
            return Answers(answers, None)
        return Answers(answers, failure_of(last, steps[last], answers[last]))

    def _ask(self, message: dict[str, Any], *files: int) -> dict[str, Any]:
        if not self.alive:
            raise LibraryDiedError("", "", "cannot be called: its process has ended", "")
        try:
            send(self._channel, message, *files)
            self._wait()
            return receive(self._channel)[0]
        except (EOFError, ConnectionError):
            raise self._died(self._ending()) from None
        except BaseException:
            self.close()  # interrupted between question and answer: the next answer would be to this question
            raise

    def _wait(self) -> None:
        """Wait for an answer while the calls go on."""
        count, since = -1, time.monotonic()
        while not self._poll.poll(_WATCH_SECONDS * 1000):
            now, number = time.monotonic(), read_progress(self._progress.memory)[0]
            if number != count:
                count, since = number, now
            elif now - since > self._seconds:
                raise self._died(f"did not return within {self._seconds:g} seconds")

    def _died(self, how: str) -> LibraryDiedError:
        _count, function, label = read_progress(self._progress.memory)
        self.close()
        self._reader.join(_ENDING_SECONDS)
        return LibraryDiedError(function or "the library", label, how, self.printed)

    def _ending(self) -> str:
        try:
            code = self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed the connection"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return f"crashed ({name})"
        return f"ended the process (exit code {code})"


def failure_of(number: int, step: CallStep, answer: dict[str, Any]) -> Failure:
    """A failed answer in words."""
    match answer["failed"]:
        case "missing":
            reason = f"the library has no {step.function}"
        case "range":
            reason = f"{step.function} takes {answer['type']}, which cannot hold {answer['number']}"
        case "null":
            reason = f"{step.function} answered NULL"
        case "size":
            reason = f"{step.function} answered {answer['size']} values or NULL among them, not {len(step.slots)}"
        case _:
            reason = f"{step.function} answered status {status_name(answer['status'])}"
    if answer.get("text"):
        reason += f": {answer['text']}"
    return Failure(number, step.function, step.label, reason, answer.get("status"))


def status_name(number: int) -> str:
    """A status by its name in the headers."""
    from odla.api.table import standard

    (found,) = (each for each in standard().enumerations if each.name == "odla_status")
    return next((f"{number} ({name})" for name, value, _meaning in found.values if value == number), str(number))


def _environment() -> dict[str, str]:
    """Ours, without a default device that is an ODLA library: HALO's own library would load itself without end."""
    return {name: value for name, value in os.environ.items() if name != "ODLA_DEVICE" or not value.startswith("odla:")}


def _keep_last(stream: IO[bytes], printed: deque[bytes]) -> None:
    with stream:
        while part := os.read(stream.fileno(), 4096):
            printed.append(part)


def _end(process: subprocess.Popen[bytes], channel: socket.socket, life: int, owner: int) -> None:
    channel.close()
    os.close(life)
    if os.getpid() != owner:  # a fork of the process that started the library
        return
    # What the library started is in the same group and goes too.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # it may hang in a driver
        process.wait(_ENDING_SECONDS)
