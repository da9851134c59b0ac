"""Draws the picture in the README: the summary of ResNet-50 compiled for an IPU-POD16, as `halo-compile` prints it.

python -m benchmarks.readme_picture [FILE]
"""

from __future__ import annotations

import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console

import halo_py
from benchmarks.make_full_size import full_size_model
from halo_py.archive import write_text_atomically
from halo_py.report.facts import facts_of
from halo_py.report.terminal import print_summary

COLUMNS = 116


def main() -> None:
    """Compile, and write the summary as SVG."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/resnet50-pod16.svg")
    executable = halo_py.compile(full_size_model("resnet50"), target="ipu-pod16", batch_size=16, precision="fp16")
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    print_summary(facts_of(executable), console)
    title = "halo-compile resnet50.onnx --target ipu-pod16 --batch-size 16 --precision fp16"
    drawn = console.export_svg(title=title)
    write_text_atomically(target, re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL))  # no web fonts
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
