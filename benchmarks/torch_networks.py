"""Whether every network that Torch writes for the tests gives Torch's own values, on the CPU and on simulated IPUs.

    python -m benchmarks.torch_networks [--zoo] [NAME...]

Networks are traced, scripted and exported ones: published speech and face detectors, and transformers and
convolutional networks with seeded weights; with `--zoo`, small ones of many families of transformers, on the CPU and
one chip. Torch judges in an environment of its own (see tests/models).
"""

from __future__ import annotations

import sys
import time

import click
from rich.console import Console
from rich.table import Table

from halo_py.errors import HaloError
from tests.frontends.torchscript.networks import TILED, Network, all_networks, zoo_networks

RUNS = (("cpu", ""), ("ipu-1", "whole"), ("ipu-pod16", "whole"), ("ipu-tiny", "tiled"))


def judged(network: Network, device: str, mode: str) -> tuple[bool, str]:
    """Whether the values are Torch's, and the seconds it took or what is wrong."""
    begin = time.perf_counter()
    try:
        wrong = network.wrong_on(device, **({"mode": mode} if mode else {}))
    except HaloError as error:
        wrong = str(error)
    return wrong is None, f"{time.perf_counter() - begin:.1f} s" if wrong is None else wrong


@click.command()
@click.option("--zoo", is_flag=True, help="Judge the networks of many families.")
@click.argument("names", nargs=-1)
def main(zoo: bool, names: tuple[str, ...]) -> None:
    """Judge the named networks, or all."""
    table = Table("network", *(f"{device} {mode}".strip() for device, mode in RUNS))
    failed = 0
    for network in zoo_networks() if zoo else all_networks():
        if names and str(network) not in names and network.name not in names:
            continue
        cells: list[str] = []
        for device, mode in RUNS:
            if (mode == "tiled" and network.name not in TILED) or (zoo and device == "ipu-pod16"):
                cells.append("-")
                continue
            good, text = judged(network, device, mode)
            failed += not good
            cells.append(text)
        table.add_row(str(network), *cells)
        click.echo(f"{network}: {', '.join(cells)}", err=True)
    Console().print(table)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
