"""Describe a machine of one's own in a TOML file and compile for it by path.

An installed package names such a file, or a folder of them, in the entry-point group `halo.targets`.

    python examples/04_new_target.py
"""

from __future__ import annotations

from pathlib import Path

import halo_py
from halo_py.targets import load_target

FOLDER = Path(__file__).parent
OWN = FOLDER / "04_small_chip.toml"


def main() -> None:
    """Compiles the digits network for the machine of this folder and shows what it is."""
    own, known = load_target(OWN), load_target("ipu-1")
    for title, value, reference in (
        ("tiles", own.chip.tiles, known.chip.tiles),
        ("bytes per tile", own.chip.bytes_per_tile, known.chip.bytes_per_tile),
        ("bytes on chip", own.bytes_on_chip, known.bytes_on_chip),
    ):
        print(f"{title:15} {value:>12,} (ipu-1: {reference:,})")

    executable = halo_py.compile(FOLDER / "digits.onnx", target=str(OWN), batch_size=16)
    print("compiled for", executable.system.title)


if __name__ == "__main__":
    main()
