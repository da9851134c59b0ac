"""How long importing a SavedModel of over 100 MB takes, and how much memory, in a process of its own.

    python -m benchmarks.tensorflow_import [MODEL...]

Without models: ResNet-50 of Keras as SavedModel, frozen graph and TFLite file, made by TensorFlow in an environment
of its own (see tests/models). Seconds are those of `load_model` alone, on the wall; memory is what the process holds
at its peak above what it held before. Start it on an idle machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.frontends.tensorflow.made import network_file

MOST_SECONDS, MOST_SHARE = 2.0, 1.5
FORMS = ("saved", "frozen", "float")

_CHILD = """
import json, resource, sys, time
from halo_py.frontend import ImportOptions, frontends, load_model
from halo_py.ops import load_ops
load_ops()
frontends()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.perf_counter()
graph = load_model(sys.argv[1], ImportOptions(batch_size=1))
seconds = time.perf_counter() - begin
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, (after - before) * 1024, len(graph.nodes)]))
"""


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


@click.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path, exists=True))
def main(models: tuple[Path, ...]) -> None:
    """Measure each model; fails if one is beyond the goals."""
    table = Table("model", "MB", "nodes", "seconds", "memory / file")
    failed = False
    for path in models or [network_file("resnet50", form).path for form in FORMS]:
        command = [sys.executable, "-c", _CHILD, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, held, nodes = json.loads(done.stdout)
        size = size_of(path)
        failed |= seconds > MOST_SECONDS or held > MOST_SHARE * size
        table.add_row(path.name, f"{size / 1e6:.0f}", str(nodes), f"{seconds:.2f}", f"{held / size:.2f}")
    Console().print(table)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
