"""What a machine is made of: every number with its source, its uncertainty and its unit.

A `Quantity` is declared once, as a class attribute of `Chip` or `System`, with unit, meaning and the direction that is
faster; the values (`Uncertain`) come from TOML files. `chip.tiles` is the nominal value;
`chip.scenarios("exchange_bytes_per_cycle")` are the values of the three scenarios in the order of *time*: fast
(optimistic), nominal, slow (pessimistic).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Self, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

FAST, NOMINAL, SLOW = 0, 1, 2
"""Positions of the scenarios on the last axis of every predicted time."""

Number = TypeVar("Number", int, float)
Better = Literal["low", "high", "exact"]
Topology = Literal["single", "line", "ladder", "torus"]
TOPOLOGIES: tuple[Topology, ...] = ("single", "line", "ladder", "torus")


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A number as a range with its nominal value, where it comes from, and whether it is only assumed."""

    low: float
    nominal: float
    high: float
    source: str
    assumed: bool = False

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.low, self.nominal, self.high)):
            raise ValueError("low, nominal and high must be finite numbers")
        if not self.low <= self.nominal <= self.high:
            raise ValueError(f"low <= nominal <= high does not hold: {self.low}, {self.nominal}, {self.high}")

    @classmethod
    def exactly(cls, value: float, source: str, assumed: bool = False) -> Uncertain:
        """A number without a range."""
        return cls(value, value, value, source, assumed)

    @property
    def exact(self) -> bool:
        """Whether low, nominal and high are the same."""
        return self.low == self.high

    def scenarios(self, better: Better) -> NDArray[np.float64]:
        """Values in the order fast, nominal, slow; `better` says whether a low or a high value is the fast one."""
        values = (self.high, self.nominal, self.low) if better == "high" else (self.low, self.nominal, self.high)
        return np.array(values, dtype=np.float64)


class Quantity(Generic[Number]):
    """Declares one number of a machine: unit, what it means, which direction is faster, what is allowed.

    Read on an instance it gives the nominal value, read on the class the declaration itself.
    """

    __slots__ = ("about", "better", "default", "maximum", "minimum", "name", "number", "unit")

    def __init__(
        self,
        number: type[Number],
        unit: str,
        better: Better,
        about: str,
        *,
        minimum: float = 0,
        maximum: float = 1e15,
        default: float | None = None,
    ) -> None:
        self.name = ""
        self.number: type[Number] = number
        self.unit = unit
        self.better: Better = better
        self.about = about
        self.minimum = minimum
        self.maximum = maximum
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, machine: None, owner: type) -> Self: ...
    @overload
    def __get__(self, machine: Machine, owner: type) -> Number: ...
    def __get__(self, machine: Machine | None, owner: type) -> Self | Number:
        if machine is None:
            return self
        return self.number(machine.quantities[self.name].nominal)

    def problem(self, value: Uncertain) -> str | None:
        """What is wrong with a value for this quantity, or None."""
        if value.low < self.minimum or value.high > self.maximum:
            return f"must lie between {self.minimum:g} and {self.maximum:g} {self.unit}".rstrip()
        if self.number is int and not all(float(v).is_integer() for v in (value.low, value.nominal, value.high)):
            return "must be a whole number"
        return None


@dataclass(frozen=True, slots=True)
class Machine:
    """What chips and systems share: a name and quantities that are complete and within bounds."""

    name: str
    title: str
    quantities: Mapping[str, Uncertain]

    def __post_init__(self) -> None:
        declared = self.declared()
        missing = declared.keys() - self.quantities.keys()
        unknown = self.quantities.keys() - declared.keys()
        if missing or unknown:
            raise ValueError(f"{self.name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
        for name, value in self.quantities.items():
            if problem := declared[name].problem(value):
                raise ValueError(f"{self.name}: {name} {problem}")

    @classmethod
    def declared(cls) -> dict[str, Quantity[Any]]:
        """Every quantity of this kind of machine, by name, in the order of declaration."""
        return {name: cast("Quantity[Any]", value) for name, value in _members(cls) if isinstance(value, Quantity)}

    def scenarios(self, name: str) -> NDArray[np.float64]:
        """float64[3]: the value of quantity `name` in the fast, nominal and slow scenario."""
        declaration = cast("Quantity[Any]", getattr(type(self), name))
        return self.quantities[name].scenarios(declaration.better)

    def with_values(self, **values: float | Uncertain) -> Self:
        """The same machine with other values of some quantities (a plain number has no range)."""
        changed = {
            name: value if isinstance(value, Uncertain) else Uncertain.exactly(value, "set by the caller", True)
            for name, value in values.items()
        }
        return replace(self, quantities={**self.quantities, **changed})


def _members(cls: type) -> Iterator[tuple[str, object]]:
    for base in reversed(cls.__mro__):
        yield from vars(base).items()


@dataclass(frozen=True, slots=True)
class MatrixMode:
    """One way of using the matrix unit.

    `conv_units` work in parallel, each on `input_channels` of one output channel; a field element takes
    `cycles_per_element`. Multiply-accumulates per cycle and tile = conv_units x input_channels / cycles_per_element.
    """

    input_type: str
    partials_type: str
    conv_units: int
    input_channels: int
    cycles_per_element: int
    source: str

    @property
    def macs_per_cycle(self) -> float:
        """Peak multiply-accumulates per cycle of one tile."""
        return self.conv_units * self.input_channels / self.cycles_per_element


@dataclass(frozen=True, slots=True)
class Emulation:
    """Arithmetic on a type that the chip lacks: the cost of the type `like`, times `factor`."""

    like: str
    factor: Uncertain


@dataclass(frozen=True, slots=True)
class Chip(Machine):
    """One chip: tiles with their own memory and an exchange between them."""

    matrix_modes: tuple[MatrixMode, ...]
    arithmetic_types: tuple[str, ...]
    emulation: Mapping[str, Emulation]
    cost_model: str = "popvertex"
    interconnect_model: str = "all-to-all"

    tiles = Quantity(int, "", "exact", "tiles on a chip", minimum=1, maximum=1_000_000)
    bytes_per_tile = Quantity(int, "B", "exact", "memory of a tile, code included", minimum=1024, maximum=2**40)
    clock_hz = Quantity(float, "Hz", "high", "tile clock", minimum=1e3, maximum=1e12)
    workers = Quantity(int, "", "exact", "worker contexts of a tile", minimum=1, maximum=1024)
    vector_bytes = Quantity(
        int, "B", "exact", "width of a load, a store and a vector operation", minimum=8, maximum=1024
    )
    coefficient_bytes_per_cycle = Quantity(
        float, "B/cycle", "high", "rate at which weights are loaded into the matrix unit", minimum=0.5
    )
    fitted_cycles_per_row_block = Quantity(
        float, "cycle", "low", "slow scenario of the matrix unit: per block of one row for each worker"
    )
    fitted_cycles_per_weight_block = Quantity(
        float, "cycle", "low", "slow scenario of the matrix unit: per block of weights of all its units"
    )
    fitted_cycles_per_column_block = Quantity(
        float, "cycle", "low", "slow scenario of the matrix unit: per block of output channels"
    )
    fitted_cycles_per_call = Quantity(float, "cycle", "low", "slow scenario of the matrix unit: per vertex")
    vertex_cycles_factor = Quantity(
        float, "", "low", "true cycles over estimated cycles of vertices outside the matrix unit", minimum=1e-3
    )
    memcpy_bytes_per_cycle = Quantity(float, "B/cycle", "high", "copies of long runs inside a tile", minimum=1e-3)
    memcpy_call_cycles = Quantity(float, "cycle", "low", "fixed cost of a copy inside a tile")
    transpose_cycles_per_element = Quantity(float, "cycle", "low", "reordering of single elements inside a tile")
    exchange_bytes_per_cycle = Quantity(float, "B/cycle", "high", "sent, and received, by one tile", minimum=1e-6)
    tiles_per_exchange_bus = Quantity(int, "", "exact", "tiles that share a receiving bus", minimum=1, maximum=1024)
    exchange_cycles_per_fragment = Quantity(float, "cycle", "low", "per independent run of bytes that a tile receives")
    exchange_code_bytes_per_instruction = Quantity(float, "B", "low", "code of one exchange instruction")
    exchange_instructions_per_fragment = Quantity(float, "", "low", "exchange instructions per run of bytes received")
    exchange_bytes_per_send = Quantity(int, "B", "exact", "most bytes that one send instruction covers", minimum=1)
    sync_internal_cycles = Quantity(float, "cycle", "low", "sync of the tiles of one chip")
    sync_external_cycles = Quantity(float, "cycle", "low", "sync in which the host or other chips take part")
    step_cycles = Quantity(float, "cycle", "low", "control program, per compute set: call, dispatch, return")
    loop_cycles = Quantity(float, "cycle", "low", "control program, per iteration of a loop on the tiles")
    codelet_code_bytes = Quantity(float, "B", "low", "code of one codelet on a tile")
    vertex_state_bytes = Quantity(float, "B", "low", "fields of one vertex instance")
    stack_bytes_per_tile = Quantity(float, "B", "low", "stacks of supervisor and workers")

    def __hash__(self) -> int:
        return hash((self.name, self.cost_model, self.matrix_modes, tuple(self.quantities.values())))

    @property
    def peak_flops(self) -> float:
        """Floating-point operations per second of the chip in its fastest matrix mode, at the nominal clock."""
        best = max((mode.macs_per_cycle for mode in self.matrix_modes), default=0.0)
        return 2 * best * self.tiles * self.clock_hz


def peak_macs_per_cycle(chip: Chip, input_type: str, partials_type: str) -> float:
    """Most multiply-accumulates per cycle that one tile reaches for these types (0 when it has no mode for them)."""
    family = "float8" if input_type.startswith("float8") else input_type
    rates = (
        mode.macs_per_cycle
        for mode in chip.matrix_modes
        if mode.input_type == family and mode.partials_type == partials_type
    )
    return max(rates, default=0.0)


@dataclass(frozen=True, slots=True)
class System(Machine):
    """Chips joined by links: machines (boxes or cards) of a few chips, link domains of machines, gateways between them.

    Bandwidths are per direction. Host link and streaming memory belong to a machine and are shared by its chips.
    """

    chip: Chip
    topology: Topology = "single"
    notes: str = field(default="", compare=False)

    ipus = Quantity(int, "", "exact", "chips", minimum=1, maximum=65_536)
    ipus_per_machine = Quantity(int, "", "exact", "chips in one machine (box or card)", minimum=1, maximum=65_536)
    ipus_per_link_domain = Quantity(int, "", "exact", "most chips that links join", minimum=1, maximum=65_536)
    links_per_ipu = Quantity(int, "", "exact", "links of one chip", maximum=1024)
    external_links_per_machine = Quantity(int, "", "exact", "links that leave a machine", maximum=65_536)
    link_bytes_per_second = Quantity(float, "B/s", "high", "one link, one direction", minimum=1)
    link_latency_seconds = Quantity(float, "s", "low", "one hop over a link", maximum=1)
    gateway_bytes_per_second = Quantity(float, "B/s", "high", "between link domains, per machine and direction")
    gateway_latency_seconds = Quantity(float, "s", "low", "one hop between link domains", maximum=1)
    host_bytes_per_second = Quantity(float, "B/s", "high", "host link of a machine, per direction", minimum=1)
    host_latency_seconds = Quantity(float, "s", "low", "one transfer to or from the host", maximum=1)
    streaming_bytes = Quantity(int, "B", "exact", "streaming memory of a machine", maximum=2**50)
    streaming_bytes_per_second = Quantity(float, "B/s", "high", "streaming memory of a machine")

    def __post_init__(self) -> None:
        # zero-argument super() does not work in a slots dataclass: its class is made anew
        Machine.__post_init__(self)
        if self.topology == "single" and self.ipus > 1:
            raise ValueError(f"{self.name}: topology 'single' does not join {self.ipus} chips")

    def __hash__(self) -> int:
        return hash((self.name, self.chip, self.topology, tuple(self.quantities.values())))

    @property
    def machines(self) -> int:
        """Boxes or cards, each with its host link and streaming memory."""
        return -(-self.ipus // self.ipus_per_machine)

    @property
    def link_domains(self) -> int:
        """Groups of chips joined by links; more than one are joined by gateways."""
        return -(-self.ipus // self.ipus_per_link_domain)

    @property
    def bytes_on_chip(self) -> int:
        """Tile memory of all chips together."""
        return self.ipus * self.chip.tiles * self.chip.bytes_per_tile

    @property
    def peak_flops(self) -> float:
        """Floating-point operations per second of all chips in their fastest matrix mode."""
        return self.ipus * self.chip.peak_flops

    def with_chip(self, chip: Chip) -> System:
        """The same system made of other chips."""
        return replace(self, chip=chip)
