"""Asynchronous runs: jobs in threads of our own, which whoever destroys what they use waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_WORKERS = 8
_lock = threading.Lock()
_pools: list[ThreadPoolExecutor] = []
_worker = threading.local()


class Jobs:
    """The jobs under way that use one object."""

    def __init__(self) -> None:
        self._futures: dict[Future[None], None] = {}
        self._lock = threading.Lock()

    def add(self, future: Future[None]) -> None:
        """Know of a job until it is done."""
        with self._lock:
            self._futures[future] = None
        future.add_done_callback(self._forget)

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._futures.pop(future, None)

    def drain(self) -> None:
        """Wait until the jobs are done, but for the one that this very thread is running (it may call us back)."""
        own: Future[None] | None = getattr(_worker, "future", None)
        with self._lock:
            waiting = [future for future in self._futures if future is not own]
        for future in waiting:
            future.exception()


def start_job(work: Callable[[], None], users: tuple[Jobs, ...]) -> None:
    """Run `work`, which raises nothing, in another thread."""
    future: Future[None] = Future()
    for jobs in users:
        jobs.add(future)

    def body() -> None:
        _worker.future = future
        try:
            work()
        finally:
            _worker.future = None
            future.set_result(None)

    _pool().submit(body)


def _pool() -> ThreadPoolExecutor:
    with _lock:
        if not _pools:
            _pools.append(ThreadPoolExecutor(_WORKERS, thread_name_prefix="odla-run"))
        return _pools[0]
