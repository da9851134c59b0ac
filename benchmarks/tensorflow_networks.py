"""Whether networks as SavedModels, frozen graphs and TFLite files give the framework's own values on every device.

    python -m benchmarks.tensorflow_networks [NAME...] [--small]

Keras networks with seeded weights, in every form that TensorFlow writes of them, and basic-pitch as it is published:
its three formats must also have plans of the same predicted time. TensorFlow judges in an environment of its own (see
tests/models). `transposes` is what the passes leave of the layouts, and how many inputs and outputs there are.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import halo_py
import odla
from halo_py.errors import HaloError
from halo_py.frontend import inspect_model
from tests.frontends.tensorflow.agreement import difference
from tests.frontends.tensorflow.made import FORMS, network_folder, packaged_outputs, small_networks
from tests.frontends.tensorflow.networks import networks
from tests.frontends.tensorflow.packaged import pitch_lite, pitch_saved_model
from tests.frontends.tensorflow.running import OPTIONS, problems, transposes
from tests.models.catalogue import model
from tests.models.environments import MakeError

PITCH_SHAPE = (1, 43844, 1)
MOST_APART = 0.05
"""How far predicted times of one network in several formats may be apart."""


def judged(name: str, form: str, device: str) -> tuple[bool, str]:
    """Whether the values are the framework's, and the seconds it took or what is wrong."""
    begin = time.perf_counter()
    try:
        wrong = problems(name, form, device)
    except HaloError as error:
        wrong = [str(error)]
    return not wrong, "; ".join(wrong) or f"{time.perf_counter() - begin:.1f} s"


def counted(name: str, form: str) -> str:
    """Transposes that are left, and inputs and outputs."""
    try:
        left, ends = transposes(name, form)
    except HaloError:
        return "-"  # what is wrong stands beside it
    return f"{left} ({ends} ends)"


def networks_table(names: tuple[str, ...]) -> tuple[Table, int]:
    """Every form of the named networks on every device, and how many runs are wrong."""
    table, failed = Table("network", "form", *OPTIONS, "transposes"), 0
    for name in names:
        try:
            network_folder(name)
        except MakeError as error:
            failed += 1
            table.add_row(name, str(error).strip().splitlines()[-1])
            continue
        for form in (*FORMS, *networks()[name].lite):
            cells: list[str] = []
            for device in OPTIONS:
                if device == "ipu-tiny" and not networks()[name].small:
                    cells.append("-")
                    continue
                good, text = judged(name, form, device)
                failed += not good
                cells.append(text)
            row = [name, form, *cells, counted(name, form)]
            table.add_row(*row)
            click.echo(" | ".join(row), err=True)
    return table, failed


def pitch_table() -> tuple[Table, int]:
    """basic-pitch in its three formats: values by TensorFlow, predicted time of the plan."""
    files = {"saved": pitch_saved_model(), "lite": pitch_lite(), "onnx": model("basic_pitch").path()}
    table, failed, times = Table("basic-pitch", "cpu", "ipu-pod16", "latency", "items/s"), 0, list[float]()
    for form, path in files.items():
        (port,) = inspect_model(path).inputs
        shapes = {port.name: PITCH_SHAPE}
        cells = [_pitch_values(path, form, device, port.name) for device in ("cpu", "ipu-pod16")]
        failed += sum(cell != "equal" for cell in cells)
        executable = halo_py.compile(path, "ipu-pod16", shapes=shapes)
        chosen = next(entry for entry in executable.considered if entry.chosen)
        times.append(chosen.latency_seconds)
        table.add_row(form, *cells, f"{chosen.latency_seconds * 1e3:.3f} ms", f"{chosen.items_per_second:.0f}")
    return table, failed + (max(times) > (1 + MOST_APART) * min(times))


def _pitch_values(path: Path, form: str, device: str, name: str) -> str:
    """Whether the outputs are the framework's; the ONNX file is judged by the SavedModel, its outputs by shape."""
    x, expected = packaged_outputs("lite" if form == "lite" else "saved")
    result = odla.execute(path, {name: x}, device=device, shapes={name: PITCH_SHAPE}, **OPTIONS[device])
    found = {key: np.asarray(value) for key, value in result.items()}
    if form == "onnx":
        by_mean = sorted(expected, key=lambda key: (expected[key].shape, float(expected[key].mean())))
        arrays = sorted(found.values(), key=lambda array: (array.shape, float(array.mean())))
        found = dict(zip(by_mean, arrays, strict=True))
    wrong = [text for key, wanted in expected.items() if (text := difference(found[key], wanted)) is not None]
    return "; ".join(wrong) or "equal"


@click.command()
@click.argument("names", nargs=-1)
@click.option("--small", is_flag=True, help="Only the networks of the test run.")
def main(names: tuple[str, ...], small: bool) -> None:
    """Judge the named networks, or all."""
    try:
        table, failed = networks_table(names or tuple(small_networks() if small else networks()))
        Console().print(table)
        if not names:
            table, wrong = pitch_table()
            failed += wrong
            Console().print(table)
    except MakeError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
