"""The process that holds a library: several threads, forks, interruptions, and the end of the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import odla
from halo_backends.native.process import LibraryDiedError, LibraryProcess
from halo_backends.native.wire import CallStep
from halo_py.evaluate import evaluate_graph
from tests.odla_native.graphs import X, perceptron
from tests.odla_native.libraries import library, tiny

_WAIT_SECONDS = 60


def _sleeping(folder: Path) -> Path:
    """A library whose odla_SetLogLevel says in the file `pid` that it begins, and never returns."""
    source = f"""
    odla_status odla_SetLogLevel(odla_log_level level) {{
      FILE* said = fopen("{folder}/pid", "w");
      fprintf(said, "%d.%d", (int)getpid(), (int)level);
      fclose(said);
      for (;;) pause();
    }}"""
    return library(folder, source)


def _pid(folder: Path) -> int:
    """The process that holds the sleeping library, once it sleeps."""
    told = folder / "pid"
    _until(lambda: told.is_file() and "." in told.read_text())
    return int(told.read_text().partition(".")[0])


_CALL = CallStep("odla_SetLogLevel", (1,))


def test_several_threads_run_one_executable(tmp_path: Path) -> None:
    graph = perceptron()
    executable = odla.compile_for(graph, f"odla:{tiny(tmp_path)}")
    inputs = [X * (number + 1) for number in range(40)]

    with ThreadPoolExecutor(8) as pool:
        results = [future.result()["y"] for future in [pool.submit(executable.run, [x]) for x in inputs]]

    for x, found in zip(inputs, results, strict=True):
        np.testing.assert_allclose(found, np.asarray(evaluate_graph(graph, [x])[0]), rtol=1e-5, atol=1e-6)


def test_an_interruption_ends_the_process_because_its_answer_would_come_later(tmp_path: Path) -> None:
    process = LibraryProcess(_WAIT_SECONDS)
    process.load(str(_sleeping(tmp_path)))

    def interrupt() -> None:
        _pid(tmp_path)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()

    with pytest.raises(KeyboardInterrupt):
        process.call([_CALL])

    assert not process.alive
    with pytest.raises(LibraryDiedError, match="its process has ended"):
        process.call([_CALL])


def test_a_hanging_library_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    path = _sleeping(tmp_path)
    code = f"""
from halo_backends.native.process import LibraryProcess
from halo_backends.native.wire import CallStep
process = LibraryProcess(600)
process.load({str(path)!r})
process.call([CallStep("odla_SetLogLevel", (1,))])
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    held = _pid(tmp_path)
    assert _is_running(held)

    parent.kill()
    parent.wait()

    _until(lambda: not _is_running(held))


def test_what_a_fork_lets_go_of_stays_alive_for_its_parent(tmp_path: Path) -> None:
    process = LibraryProcess(_WAIT_SECONDS)
    process.load(str(tiny(tmp_path)))

    forked = os.fork()
    if forked == 0:
        process.close()
        os._exit(0)
    os.waitpid(forked, 0)

    answer = process.call([CallStep("odla_CreateComputation", ({"out": 1},))])
    assert answer.failure is None
    process.close()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_running(process: int) -> bool:
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
