"""Device traces: what ran on a device while its profiler was on, in the trace event format that browsers show."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_py.archive import write_text_atomically
from odla.c.handles import Handled


@dataclass(frozen=True, slots=True)
class Event:
    """A run: when it began (seconds since the profiler was started), how long it took, and what it reported."""

    name: str
    begin: float
    seconds: float
    thread: int
    facts: dict[str, Any]


class Profiler:
    """Collects the runs of one device while it is on."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._started: float | None = None

    @property
    def on(self) -> bool:
        """Whether runs are collected."""
        return self._started is not None

    def start(self) -> None:
        """Forget what was collected and begin anew."""
        with self._lock:
            self._events = []
            self._started = time.perf_counter()

    def stop(self) -> None:
        """Collect no further runs."""
        self._started = None

    def add(self, name: str, seconds: float, facts: dict[str, Any]) -> None:
        """Collect a run that ends now."""
        started = self._started
        if started is None:
            return
        begin = time.perf_counter() - seconds - started
        with self._lock:
            self._events.append(Event(name, begin, seconds, threading.get_ident(), facts))

    def events(self) -> tuple[Event, ...]:
        """What was collected."""
        with self._lock:
            return tuple(self._events)


class DeviceTrace(Handled):
    """A trace that a program holds. Its items are `device` (read when retrieved) and `path`, a file to write it to."""

    noun = "device trace"

    def __init__(self) -> None:
        super().__init__()
        self.device = ""
        self.events: tuple[Event, ...] = ()
        self.path: Path | None = None

    def take(self, device: str, events: tuple[Event, ...]) -> None:
        """Hold what a profiler collected; written to the trace's path at once if it has one. Raises OutputError."""
        self.device = device
        self.events = events
        self.write()

    def write(self) -> None:
        """Write it to its path, if it has one and holds something."""
        if self.path is not None and self.device:
            write_text_atomically(self.path, self.text())

    def text(self) -> str:
        """The trace as JSON: one complete event per run, times in microseconds."""
        rows = [
            {
                "name": event.name,
                "ph": "X",
                "ts": event.begin * 1e6,
                "dur": event.seconds * 1e6,
                "pid": self.device,
                "tid": event.thread,
                "args": event.facts,
            }
            for event in self.events
        ]
        return json.dumps({"traceEvents": rows, "displayTimeUnit": "ms"}) + "\n"
