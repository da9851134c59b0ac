"""Built-in machines: the vendor's peaks, sources of every number, scenarios."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from typing import Any, cast

import numpy as np
import pytest

from halo_py.targets import FAST, NOMINAL, SLOW, Chip, System, Uncertain, available, describe, load_chip, load_target
from halo_py.targets.registry import available_chips


@pytest.mark.parametrize(
    ("name", "teraflops", "clock_hz"),
    [
        # data sheets state these at the marketing clock: 1.325 GHz where profiles report 1.33
        ("gc200", 250.0, 1.325e9),
        ("bow", 348.6, 1.85e9),
        ("c600", 560.0, 1.49e9),
        ("gc2", 124.5, 1.6e9),
    ],
)
def test_peaks_of_the_data_sheets(name: str, teraflops: float, clock_hz: float) -> None:
    chip = load_chip(name).with_values(clock_hz=clock_hz)
    assert chip.peak_flops / 1e12 == pytest.approx(teraflops, rel=0.005)


def test_memory_of_a_chip() -> None:
    assert load_chip("gc200").tiles * load_chip("gc200").bytes_per_tile == 1472 * 638_976
    assert load_chip("gc2").tiles * load_chip("gc2").bytes_per_tile == 304 * 2**20


def test_every_number_has_a_source_and_a_range_in_order() -> None:
    for name in available():
        for row in describe(load_target(name)):
            if isinstance(row.value, str):
                continue
            assert row.source, row
            if row.low is not None and row.high is not None:
                assert row.low <= row.value <= row.high
                assert row.low < row.high


def test_scenarios_are_ordered_by_time() -> None:
    system = load_target("ipu-pod16")
    bandwidth = system.chip.scenarios("exchange_bytes_per_cycle")
    sync = system.chip.scenarios("sync_internal_cycles")
    assert (bandwidth[FAST], bandwidth[NOMINAL], bandwidth[SLOW]) == (4, 4, 3.57)
    assert sync.tolist() == [64, 118, 126]
    assert system.scenarios("host_bytes_per_second").tolist() == [12.5e9, 10e9, 5.5e9]
    for machine in (system, system.chip):
        for name, quantity in machine.declared().items():
            values = machine.scenarios(name)
            rising = np.sort(values)
            assert values.tolist() == (rising[::-1] if quantity.better == "high" else rising).tolist()


def test_numbers_are_attributes_with_the_declared_type() -> None:
    chip = load_chip("gc200")
    assert isinstance(chip.tiles, int)
    assert chip.tiles == 1472
    assert isinstance(chip.clock_hz, float)
    assert Chip.clock_hz.unit == "Hz"
    assert Chip.tiles.about
    assert System.declared().keys().isdisjoint(Chip.declared())


def test_mk1_inherits_as_assumed() -> None:
    chip = load_chip("gc2")
    assert chip.quantities["exchange_bytes_per_cycle"].assumed
    assert chip.quantities["exchange_bytes_per_cycle"].source.startswith("assumed as on GC200")
    assert not chip.quantities["tiles"].assumed
    assert {(mode.input_type, mode.partials_type) for mode in chip.matrix_modes} == {
        ("float16", "float32"),
        ("float32", "float32"),
    }


@pytest.mark.parametrize(
    ("name", "ipus", "machines", "domains", "topology"),
    [
        ("ipu-1", 1, 1, 1, "single"),
        ("ipu-m2000", 4, 1, 1, "ladder"),
        ("ipu-pod4", 4, 1, 1, "ladder"),
        ("ipu-pod16", 16, 4, 1, "ladder"),
        ("bow-pod32", 32, 8, 1, "ladder"),
        ("ipu-pod64", 64, 16, 1, "torus"),
        ("bow-pod128", 128, 32, 2, "torus"),
        ("ipu-pod256", 256, 64, 4, "torus"),
        ("ipu-pod64x1000", 64_000, 16_000, 1000, "torus"),
        ("ipu-pod16x4", 64, 16, 4, "ladder"),
        ("ipu-m2000x4", 16, 4, 1, "ladder"),
        ("bow-pod512", 512, 128, 8, "torus"),
        ("ipu-pod8", 8, 2, 1, "ladder"),
        ("c600x8", 8, 8, 1, "ladder"),
        ("c600x16", 16, 16, 2, "ladder"),
        ("gc2-c2", 2, 1, 1, "ladder"),
        ("ipu-tiny", 1, 1, 1, "single"),
        ("ipu-tiny4", 4, 1, 1, "ladder"),
    ],
)
def test_systems(name: str, ipus: int, machines: int, domains: int, topology: str) -> None:
    system = load_target(name)
    assert (system.name, system.ipus, system.machines, system.link_domains) == (name, ipus, machines, domains)
    assert system.topology == topology


def test_tiny_has_full_tiles() -> None:
    tiny, full = load_target("ipu-tiny4").chip, load_chip("gc200")
    assert tiny.tiles == 16
    assert (
        replace(tiny, name=full.name, title=full.title).with_values(tiles=1472).quantities.items()
        >= {name: value for name, value in full.quantities.items() if name != "tiles"}.items()
    )


def test_bow_differs_from_gc200_only_in_its_clock() -> None:
    bow, gc200 = load_chip("bow"), load_chip("gc200")
    differing = {name for name in bow.quantities if bow.quantities[name] != gc200.quantities[name]}
    assert differing == {"clock_hz"}


def test_with_values() -> None:
    chip = load_chip("gc200")
    doubled = chip.with_values(clock_hz=2 * chip.clock_hz)
    assert doubled.scenarios("clock_hz").tolist() == [2.66e9] * 3
    assert doubled.peak_flops == pytest.approx(2 * chip.peak_flops)
    assert chip.clock_hz == 1.33e9
    ranged = chip.with_values(step_cycles=Uncertain(1, 2, 3, "a test"))
    assert ranged.scenarios("step_cycles").tolist() == [1, 2, 3]
    for wrong in ({"no_such_number": 1}, {"tiles": 0}, {"tiles": 1.5}, {"clock_hz": math.inf}):
        with pytest.raises(ValueError, match=r"unknown|must|finite"):
            chip.with_values(**cast("dict[str, Any]", wrong))
    with pytest.raises(FrozenInstanceError):
        cast("Any", chip).name = "other"


def test_machines_compare_and_hash_by_value() -> None:
    system = load_target("ipu-pod16")
    again = system.with_chip(replace(system.chip))
    assert again == system
    assert hash(again) == hash(system)
    assert system.with_values(ipus=8) != system


def test_uncertain_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match="low <= nominal <= high"):
        Uncertain(2, 1, 3, "wrong")
    with pytest.raises(ValueError, match="finite"):
        Uncertain(0, math.nan, 1, "wrong")
    with pytest.raises(ValueError, match="does not join"):
        replace(load_target("ipu-pod16"), topology="single")


def test_chips_are_listed() -> None:
    assert available_chips() == ("bow", "c600", "gc2", "gc200")
    assert {"ipu-1", "ipu-m2000", "ipu-pod16", "bow-2000", "c600", "ipu-tiny4"} <= set(available())
    assert list(available()).index("ipu-pod4") < list(available()).index("ipu-pod16")
