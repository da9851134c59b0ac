"""Targets by name and by a user's file: what works, and what every mistake is told."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from halo_py.errors import TargetError
from halo_py.targets import available, describe, load_chip, load_target, registry
from halo_py.targets.encode import decode_system, encode_system

CHIP = """
kind = "chip"
extends = "gc200"
title = "mine"
[sources]
lab = "measured in our lab"
[quantities]
tiles = 100
clock_hz = { low = 1e9, nominal = 2e9, high = 3e9, source = "lab" }
"""
SYSTEM = """
kind = "system"
extends = "ipu-pod16"
[quantities]
ipus = { value = 8, source = "half a pod" }
"""


def write(folder: Path, text: str, name: str = "my_machine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_users_chip_file(tmp_path: Path) -> None:
    system = load_target(str(write(tmp_path, CHIP)))
    assert (system.name, system.ipus, system.chip.tiles) == ("my-machine", 1, 100)
    assert system.chip.quantities["clock_hz"].source == "measured in our lab"
    assert not system.chip.quantities["clock_hz"].assumed
    assert system.chip.quantities["tiles"].assumed
    assert system.chip.scenarios("clock_hz").tolist() == [3e9, 2e9, 1e9]


def test_a_users_system_file(tmp_path: Path) -> None:
    assert load_target(write(tmp_path, SYSTEM)).ipus == 8
    inline = SYSTEM.replace("[quantities]", '[chip]\nextends = "bow"\n[chip.quantities]\ntiles = 7\n[quantities]')
    system = load_target(write(tmp_path, inline))
    assert system.chip.tiles == 7
    assert system.chip.clock_hz == 1.85e9
    named = SYSTEM.replace("[quantities]", 'chip = "c600"\n[quantities]')
    assert load_target(write(tmp_path, named)).chip == load_chip("c600")


def test_a_complete_chip_without_a_base(tmp_path: Path) -> None:
    base = Path(registry.__file__).parent / "chip-gc200.toml"
    system = load_target(write(tmp_path, base.read_text()))
    assert system.chip.quantities == load_chip("gc200").quantities


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ('kind = "chip"', 'kind = "card"', "kind: 'card' is not a kind of machine", 'write kind = "chip"'),
        ('kind = "chip"', "", "kind: '' is not a kind", 'write kind = "chip"'),
        ('title = "mine"', "title = 3", "title: must be a line of text", "write title"),
        ('title = "mine"', 'tilte = "mine"', "tilte: unknown field", "write 'title'"),
        ("tiles = 100", "tails = 100", "quantities.tails: unknown field", "write 'tiles'"),
        ("tiles = 100", "tiles = 0", "quantities.tiles: must lie between 1 and", "tiles on a chip"),
        ("tiles = 100", "tiles = 1.5", "quantities.tiles: must be a whole number", "tiles on a chip"),
        ("tiles = 100", "tiles = -3", "quantities.tiles: must lie between", "tiles on a chip"),
        ("tiles = 100", "tiles = inf", "quantities.tiles: low, nominal and high must be finite", "finite"),
        ("tiles = 100", 'tiles = "100"', "quantities.tiles: must be a number or a table", "value = 1"),
        ("tiles = 100", "tiles = true", "quantities.tiles: must be a number", "value = 1"),
        ("tiles = 100", "tiles = {}", "quantities.tiles: needs a value, or low, nominal and high", "give numbers"),
        ("tiles = 100", "tiles = { value = 1, low = 1 }", "has both a value and a range", "give value, or"),
        ("tiles = 100", "tiles = { valeu = 1 }", "quantities.tiles.valeu: unknown field", "write 'value'"),
        ("tiles = 100", "tiles = { value = 1, source = 3 }", "quantities.tiles.source: must be text", "source ="),
        ("tiles = 100", "tiles = { value = 1, assumed = 1 }", "tiles.assumed: must be true or false", "true"),
        ("low = 1e9", "low = 9e9", "low <= nominal <= high does not hold", "rising order"),
        ('"gc200"', '"gc201"', "unknown chip 'gc201'", "did you mean gc200"),
        ('"gc200"', '"../gc200"', "unknown chip", "did you mean gc200"),
        ("[sources]", "cost_model = 'a b'\n[sources]", "cost_model: 'a b' is not a name", "letters"),
        ("[sources]", "arithmetic_types = []\n[sources]", "arithmetic_types: must be a list", "float32"),
        ("[sources]", "matrix_modes = 3\n[sources]", "matrix_modes: must be a list of tables", "[[matrix_modes]]"),
        ("[sources]", "[[matrix_modes]]\nconv_units = 0\n[sources]", "matrix_modes[0].conv_units: must", "conv_units"),
        ("[sources]", "[emulation]\nint8 = 3\n[sources]", "emulation.int8: needs the type", "like"),
        ("[sources]", "[emulation]\nint8 = {like='x', value=1}\n[sources]", "is no arithmetic type", "float32"),
        ("[sources]", "[emulation]\nint8 = {like='int32', value=0}\n[sources]", "must be above 0", "fast"),
        ("[sources]", "sources = 3\n[sourcez]", "sourcez: unknown field", "write 'sources'"),
        ("[quantities]", "[quantities", "is not TOML", "correct that place"),
        ("tiles = 100", "tiles = " + "9" * 5000, "", ""),
        ("tiles = 100", "tiles = " + "[" * 5000, "", ""),
    ],
)
def test_mistakes_in_a_chip_file(tmp_path: Path, old: str, new: str, message: str, hint: str) -> None:
    path = write(tmp_path, CHIP.replace(old, new, 1))
    with pytest.raises(TargetError) as caught:
        load_target(path)
    assert caught.value.where.file == str(path)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('extends = "ipu-pod16"', 'extends = "ipu-pod61"', "unknown target 'ipu-pod61'"),
        ('extends = "ipu-pod16"', "", "quantities.ipus_per_machine: missing"),
        ('extends = "ipu-pod16"', 'extends = "ipu-pod16"\nchip = 3', "chip: must be a line of text"),
        ('extends = "ipu-pod16"', 'extends = "ipu-pod16"\nchip = "x"', "unknown chip 'x'"),
        ('extends = "ipu-pod16"', 'extends = "ipu-pod16"\ntopology = "star"', "topology: 'star' is unknown"),
        ('extends = "ipu-pod16"', 'extends = "ipu-pod16"\ntopology = "single"', "'single' does not join 8 chips"),
        ("value = 8", "value = 100_000", "quantities.ipus: must lie between 1 and 65536"),
        ("[quantities]", "[chip.quantities]\ntiles = 0\n[quantities]", "chip.quantities.tiles: must lie between"),
    ],
)
def test_mistakes_in_a_system_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    extended = SYSTEM.replace("[quantities]", "[chip]\nextends = 'bow'\n[quantities]") if "[chip." in new else SYSTEM
    path = write(tmp_path, extended.replace(old, new, 1))
    with pytest.raises(TargetError) as caught:
        load_target(path)
    assert caught.value.where.file == str(path)
    assert message in caught.value.message


def test_files_that_are_not_descriptions(tmp_path: Path) -> None:
    cases: dict[str, bytes] = {
        "binary.toml": b"\xff\xfe\x00\x01",
        "large.toml": b"#" * 1_000_001,
        "empty.toml": b"",
        "prose.toml": b"a machine with 16 tiles",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TargetError) as caught:
            load_target(tmp_path / name)
        assert caught.value.where.file == str(tmp_path / name)
    with pytest.raises(TargetError, match="cannot be read"):
        load_target(tmp_path / "missing.toml")
    with pytest.raises(TargetError, match="cannot be read"):
        load_target(tmp_path)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ipu-pd16", "ipu-pod16"),
        ("ipu-pod17", "ipu-pod16"),
        ("bow-pod-16", "bow-pod16"),
        ("IPU-POD16", "ipu-pod16"),
        ("gc200", "systems made of it: ipu-1,"),
        ("chip-gc200", "ipu-m2000"),
        ("", "known:"),
        ("..", "known:"),
        ("ipu-pod16x0", "ipu-pod16"),
        ("xx", "known:"),
        ("no such thing", ""),
    ],
)
def test_unknown_names(name: str, near: str) -> None:
    with pytest.raises(TargetError, match="unknown target") as caught:
        load_target(name)
    assert near in (caught.value.hint or "")
    assert caught.value.exit_code == 2


def test_systems_beyond_the_fabric() -> None:
    assert load_target("ipu-pod64x1024").ipus == 65_536
    for name in ("ipu-pod64x1025", "ipu-pod65540", "ipu-pod64x1000x1000"):
        with pytest.raises(TargetError, match="chips"):
            load_target(name)


def test_other_packages_add_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halo_targets_for_tests.py").write_text(
        "from pathlib import Path\n"
        "from halo_py.targets import load_target\n"
        "folder = Path(__file__).parent\n"
        "file = str(folder / 'my_machine.toml')\n"
        "def made(): return load_target('ipu-1').with_values(ipus_per_machine=2)\n"
        "number = 3\n"
        "def broken(): raise RuntimeError('no licence')\n"
    )
    write(tmp_path, SYSTEM)
    write(tmp_path, CHIP, "lab-chip.toml")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    points = [
        EntryPoint(name, f"halo_targets_for_tests:{attribute}", registry.ENTRY_POINT_GROUP)
        for name, attribute in {
            "acme": "file",
            "made": "made",
            "odd": "number",
            "broken": "broken",
            "f": "folder",
        }.items()
    ]

    def installed(**_: Any) -> list[EntryPoint]:
        return points

    monkeypatch.setattr("importlib.metadata.entry_points", installed)
    assert {"acme", "made", "lab-chip", "my_machine", "ipu-1"} <= set(available())
    assert load_target("acme").ipus == 8
    assert load_target("made").ipus_per_machine == 2
    assert load_target("lab-chip").chip.tiles == 100
    with pytest.raises(TargetError, match="not a System or a path"):
        load_target("odd")
    with pytest.raises(TargetError, match="no licence"):
        load_target("broken")


def test_describe_names_value_range_unit_and_source() -> None:
    rows = {row.name: row for row in describe(load_target("ipu-pod16"))}
    bandwidth = rows["link_bytes_per_second"]
    assert (bandwidth.low, bandwidth.value, bandwidth.high, bandwidth.unit) == (12e9, 14.6e9, 16e9, "B/s")
    assert bandwidth.assumed
    assert rows["chip.tiles"].value == 1472
    assert rows["chip.macs_per_cycle.float16.float32"].value == 32
    assert rows["machines"].value == 4


@pytest.mark.parametrize("name", ["ipu-pod64x1000", "c600", "gc2-c2", "ipu-tiny4"])
def test_a_system_survives_in_an_executable(name: str) -> None:
    system = load_target(name)
    encoded: dict[str, Any] = json.loads(json.dumps(encode_system(system)))
    assert decode_system(encoded) == system
    encoded["chip"]["quantities"]["tiles"]["nominal"] = 5
    with pytest.raises(ValueError, match="low <= nominal <= high"):
        decode_system(encoded)


def test_loading_is_fast() -> None:
    registry.clear_cache()
    start = time.perf_counter()
    load_target("bow-pod16")
    assert time.perf_counter() - start < 0.05  # 5 ms on an idle machine; the bound allows for a busy one


def test_the_example_in_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "machines.md").read_text()
    system = load_target(write(tmp_path, text.split("```toml\n")[1].split("```")[0]))
    assert (system.ipus, system.chip.tiles) == (2, 736)
    assert system.chip.scenarios("exchange_bytes_per_cycle").tolist() == [8, 8, 6]
    assert system.topology == "ladder"
