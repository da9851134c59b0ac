"""The search over plans: which micro-batch is taken where memory is short."""

from __future__ import annotations

from dataclasses import replace

import halo_py
from halo_py.executable import Executable
from halo_py.targets import load_target

DIGITS = "examples/digits.onnx"


def compiled(bytes_per_tile: int) -> Executable:
    tiny = load_target("ipu-tiny")
    machine = replace(tiny, chip=tiny.chip.with_values(bytes_per_tile=bytes_per_tile))
    return halo_py.compile(DIGITS, machine, batch_size=64)


def chosen_rate(executable: Executable) -> float:
    return next(entry.items_per_second for entry in executable.considered if entry.chosen)


def test_more_memory_is_never_slower() -> None:
    rates = [chosen_rate(compiled(size)) for size in (60_000, 120_000, 200_000)]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1], "memory is short at first"


def test_a_micro_batch_that_fits_only_with_little_room_is_not_the_last_one_tried() -> None:
    """The largest one that fits at all works in serial steps, so that a smaller one may be faster."""
    short, ample = compiled(60_000), compiled(200_000)
    assert len(ample.considered) == 1, "fits with room for every op"
    fitting = [entry for entry in short.considered if entry.fits]
    assert len(fitting) > 1
    assert chosen_rate(short) == max(entry.items_per_second for entry in fitting)
