"""Which vertex a box of multiply-accumulates uses: the cheapest legal one, on the matrix unit or beside it.

The rules of legality and of padding to channel groups are those of the PopLibs convolution planner (graphcore/poplibs
7eac0f26, lib/poplin/ConvPlan.cpp and ConvVertexType.cpp), restated, with one difference: a 1x1 kernel may treat all
rows of its box as one, because a box is stored contiguously on its tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.work import ContractionWork
from halo_py.targets import Chip, MatrixMode
from halo_py.tiling.vertex_cost.arithmetic import Cycles, arithmetic, in_scenarios
from halo_py.tiling.vertex_cost.cast import cast_1d
from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts
from halo_py.tiling.vertex_cost.matrix_unit import (
    BlockFit,
    Operand,
    Partials,
    Unit,
    amp_1x1,
    amp_nx1,
    amp_nx1_position,
    output_zeroing,
)
from halo_py.tiling.vertex_cost.multiply_accumulate import hmac, outer_product, vmac, vmac_items, vmac_worker
from halo_py.tiling.vertex_cost.slic import Slic, slic

_HALVED = frozenset({"int8", "uint8", "int4", "uint4", "bool"})
_WIDENED = frozenset({"bfloat16", "int16", "uint16", "int32", "uint32", "int64", "uint64"})
_SLIC_GROUPS = (1, 2, 4, 8, 16)
_SLIC_CHANNELS = 4
_TYPE_OF: dict[str, str] = {"quarter": "float8", "half": "float16", "float": "float32"}


@dataclass(frozen=True, slots=True)
class Box:
    """A `ContractionWork` as arrays, with the types the chip will use."""

    groups: Counts
    rows: Counts
    row_width: Counts
    in_channels: Counts
    out_channels: Counts
    kernel_height: Counts
    kernel_width: Counts
    stride: int
    dilated: bool
    accumulates: bool
    operand: Operand
    partials: Partials

    @property
    def field(self) -> Counts:
        """Output positions."""
        return self.rows * self.row_width

    @property
    def kernel_positions(self) -> Counts:
        """Kernel elements per channel."""
        return self.kernel_height * self.kernel_width

    def select(self, chosen: NDArray[np.bool_]) -> Box:
        """The boxes at the chosen places of the broadcast shape, as one dimension."""
        names = ("groups", "rows", "row_width", "in_channels", "out_channels", "kernel_height", "kernel_width")
        picked = {name: np.broadcast_to(getattr(self, name), chosen.shape)[chosen] for name in names}
        return replace(self, **picked)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Where nothing is multiplied."""
        return self.groups * self.field * self.in_channels * self.out_channels * self.kernel_positions <= 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A vertex that could do the work: cycles where it is legal, its name, and the fitted cycles of its slow
    scenario.
    """

    name: str
    cycles: Counts | NDArray[np.float64]
    legal: NDArray[np.bool_] | bool = True
    slow: Counts | None = None


def contraction_cycles(work: ContractionWork, chip: Chip) -> Cycles:
    """Cycles of the cheapest legal vertex, conversions of operands the chip cannot multiply included."""
    box, conversion, factor = _prepare(work, chip)
    scale = chip.scenarios("vertex_cycles_factor")
    best = np.full((), np.inf)
    fast, slow = best, best
    for candidate in _candidates(box, chip):
        price = _price(candidate)
        better = price < best
        if candidate.slow is None:
            candidate_fast, candidate_slow = price * scale[0], price * scale[2]
        else:
            candidate_fast, candidate_slow = price, np.maximum(price, candidate.slow)
        best = np.where(better, price, best)
        fast = np.where(better, candidate_fast, fast)
        slow = np.where(better, candidate_slow, slow)
    cycles = np.empty((*best.shape, 3))
    cycles[..., 0], cycles[..., 1], cycles[..., 2] = fast * factor[0], best * factor[1], slow * factor[2]
    if np.any(conversion):
        cycles = cycles + in_scenarios(conversion, scale)
    empty = np.broadcast_to(box.empty, best.shape)
    cycles[empty] = 0.0
    return cycles


def contraction_variant(work: ContractionWork, chip: Chip) -> NDArray[np.str_]:
    """Name of the vertex that `contraction_cycles` chooses for each box ('none' for an empty box)."""
    box, _, _ = _prepare(work, chip)
    candidates = list(_candidates(box, chip))
    names = np.array([candidate.name for candidate in candidates])
    nominal = np.stack(np.broadcast_arrays(*(_price(candidate) for candidate in candidates)))
    return np.where(box.empty, "none", names[nominal.argmin(axis=0)])


def channel_grains(chip: Chip, input_type: str, partials_type: str) -> tuple[int, int]:
    """(input channels, output channels) that the fastest matrix mode takes at once; padding below these is waste.

    (vector, 1) where the chip has no matrix mode for the types.
    """
    operand, partials, _, _ = _operands(chip, input_type, partials_type)
    mode = max(_modes(chip, operand, partials), key=lambda mode: mode.macs_per_cycle, default=None)
    return (mode.input_channels, mode.conv_units) if mode else (max(1, chip.vector_bytes // 4), 1)


def _price(candidate: Candidate) -> NDArray[np.float64]:
    if candidate.legal is True or np.all(candidate.legal):
        return candidate.cycles.astype(np.float64)
    return np.where(candidate.legal, candidate.cycles, np.inf)


def _prepare(work: ContractionWork, chip: Chip) -> tuple[Box, Counts, NDArray[np.float64]]:
    """The box as arrays, the cycles of converting its operands, and the factor of emulated arithmetic."""
    operand, partials, converts, factor = _operands(chip, work.input_type, work.partials_type)
    box = Box(
        *(
            counts(value)
            for value in (
                work.groups,
                work.rows,
                work.row_width,
                work.in_channels,
                work.out_channels,
                work.kernel_height,
                work.kernel_width,
            )
        ),
        stride=work.stride_width,
        dilated=work.dilated,
        accumulates=work.accumulates,
        operand=operand,
        partials=partials,
    )
    conversion = counts(0)
    if converts:
        inputs = box.groups * box.field * box.in_channels
        weights = box.groups * box.in_channels * box.out_channels * box.kernel_positions
        conversion = sum(
            (cast_1d(n, work.input_type, _TYPE_OF[operand], chip.workers) for n in (inputs, weights)), counts(0)
        )
    return box, conversion, factor


def _operands(chip: Chip, input_type: str, partials_type: str) -> tuple[Operand, Partials, bool, NDArray[np.float64]]:
    """Types that are multiplied and added, whether operands are converted first, factor of emulation.

    The matrix unit knows 16 and 32 bits of floating point (and 8 bits on some chips): small integers and 8-bit floats
    are converted to half precision, wider integers and bfloat16 to single precision, the rest is emulated.
    """
    one = np.ones(3)
    half_partials: Partials = "half" if partials_type == "float16" else "float"
    if input_type == "float32":
        return "float", "float", False, one
    if input_type.startswith("float8") and list(_modes(chip, "quarter", "half")):
        return "quarter", "half", False, one
    if input_type == "float16" or input_type.startswith("float8") or input_type in _HALVED:
        has_half = bool(list(_modes(chip, "half", "half")))
        factor = arithmetic(chip, "float16").factor
        return "half", half_partials if has_half else "float", input_type != "float16", factor
    if input_type in _WIDENED:
        return "float", "float", True, one
    return "float", "float", False, arithmetic(chip, input_type).factor


def _modes(chip: Chip, operand: Operand, partials: Partials) -> Iterator[MatrixMode]:
    for mode in chip.matrix_modes:
        if mode.input_type == _TYPE_OF[operand] and mode.partials_type == _TYPE_OF[partials]:
            yield mode


def _candidates(box: Box, chip: Chip) -> Iterator[Candidate]:
    one_by_one = box.kernel_positions == 1
    modes = list(_modes(chip, box.operand, box.partials))
    for mode in modes:
        yield from _amp(box, chip, mode, one_by_one)
    if box.operand != "quarter":
        yield from _hmac(box, chip, one_by_one)
        if np.any((box.in_channels == 1) & one_by_one):
            yield _outer(box, chip, one_by_one)
    if modes and box.operand != "float" and not box.dilated and box.stride <= 2:
        channels = 8 if box.operand == "quarter" else _SLIC_CHANNELS
        few = (box.in_channels <= channels) & (box.out_channels <= channels)
        yield from _where(box, few, lambda part: _slic(part, chip))
    if box.operand == "half":
        yield from _where(box, (box.in_channels == 1) & (box.out_channels == 1), lambda part: _vmac(part, chip))


def _where(box: Box, legal: NDArray[np.bool_], candidates: Callable[[Box], Iterator[Candidate]]) -> Iterator[Candidate]:
    """Candidates that are worked out only for the boxes where they are legal."""
    if not np.any(legal):
        return
    if np.all(legal):
        yield from candidates(box)
        return
    shape = box.empty.shape
    legal = np.broadcast_to(legal, shape)
    for candidate in candidates(box.select(legal)):
        cycles = np.full(shape, np.inf)
        cycles[legal] = _price(candidate)
        yield Candidate(candidate.name, cycles)


def _amp(box: Box, chip: Chip, mode: MatrixMode, one_by_one: NDArray[np.bool_]) -> Iterator[Candidate]:
    unit = Unit(box.operand, box.partials, mode.conv_units, chip.coefficient_bytes_per_cycle, chip.workers)
    slow = _fitted(box, chip, mode, unit)
    passes_choices = {1, max(1, mode.input_channels // mode.conv_units)}
    for passes in sorted(passes_choices):
        out_groups = ceil_div(box.out_channels, mode.conv_units * passes)
        if np.any(one_by_one):
            in_groups = ceil_div(box.in_channels, mode.input_channels)
            cycles = amp_1x1(box.field, box.groups, in_groups, out_groups, passes, unit, box.accumulates)
            yield Candidate("amp-1x1", cycles, one_by_one, slow)
    if np.all(one_by_one):
        return
    position = amp_nx1_position(box.rows, box.row_width, unit)
    for weight_height in (1, 2, 4) if box.operand == "half" and np.any(box.kernel_height > 1) else (1,):
        for passes in sorted(passes_choices):
            yield Candidate("amp-nx1", _nx1(box, mode, unit, position, weight_height, passes), True, slow)


def _nx1(box: Box, mode: MatrixMode, unit: Unit, position: Counts, weight_height: int, passes: int) -> Counts:
    channels = mode.conv_units * passes
    out_groups = ceil_div(box.out_channels, channels)
    in_groups = ceil_div(box.in_channels, mode.input_channels // weight_height)
    cycles = amp_nx1(
        position, box.groups, in_groups, out_groups, box.kernel_height, box.kernel_width, unit, weight_height, passes
    )
    if box.accumulates:
        return cycles
    return cycles + output_zeroing(box.field, channels, box.groups * out_groups, unit.workers)


def _fitted(box: Box, chip: Chip, mode: MatrixMode, unit: Unit) -> Counts:
    fit = BlockFit(
        chip.fitted_cycles_per_row_block,
        chip.fitted_cycles_per_weight_block,
        chip.fitted_cycles_per_column_block,
        chip.fitted_cycles_per_call,
    )
    products = box.in_channels * box.kernel_positions
    return box.groups * fit.cycles(
        box.field, products, box.out_channels, mode.input_channels, unit, mode.cycles_per_element
    )


def _slic(box: Box, chip: Chip) -> Iterator[Candidate]:
    sub_kernels = ceil_div(box.kernel_width, 4) * box.kernel_height
    full = any(mode.conv_units >= 16 for mode in _modes(chip, box.operand, box.partials))
    chains = 4 if box.partials == "half" and full else 2
    quarter = box.operand == "quarter"
    for groups in (1,) if quarter else _SLIC_GROUPS:
        if groups > 4 and chains != 4:
            continue
        channels = 8 if quarter else max(1, _SLIC_CHANNELS // groups)
        legal = (box.in_channels <= channels) & (box.out_channels <= channels)
        form = Slic(groups, chains, box.operand, box.partials, box.stride, chip.workers)
        cycles = slic(box.rows, box.row_width, ceil_div(box.groups, groups), sub_kernels, form)
        yield Candidate("slic", cycles, legal)


def _hmac(box: Box, chip: Chip, one_by_one: NDArray[np.bool_]) -> Iterator[Candidate]:
    vector = max(1, chip.vector_bytes // (2 if box.operand == "half" else 4))
    size = ceil_div(box.in_channels, vector) * vector
    out = 2 if box.partials == "half" else 1
    zero = counts(0) if box.accumulates else _hmac_zeroing(box, out, chip.workers)
    arguments = (box.rows, box.row_width, box.groups, counts(1), ceil_div(box.out_channels, out))
    general = hmac(
        *arguments, box.kernel_positions, size, out, box.operand, box.partials, vector=vector, workers=chip.workers
    )
    yield Candidate("hmac", general + zero)
    if box.operand == "half" and box.partials == "float" and np.any(one_by_one):
        # one group of input channels and one output channel per group: the first pass overwrites
        single = hmac(
            counts(1), box.field, *arguments[2:], counts(1), size, out, "half", "float", True, vector, chip.workers
        )
        yield Candidate("hmac", single, one_by_one)


def _hmac_zeroing(box: Box, out: int, workers: int) -> Counts:
    return output_zeroing(box.field, out, box.groups * ceil_div(box.out_channels, out), workers)


def _outer(box: Box, chip: Chip, one_by_one: NDArray[np.bool_]) -> Candidate:
    grain = 4 if box.operand == "half" and box.partials == "half" else 2
    # below this many channels the vertex has no fast loop
    channels = np.maximum(ceil_div(box.out_channels, grain) * grain, 12 if grain == 4 else 6)
    operand: Operand = "half" if grain == 4 else "float"
    cycles = box.groups * outer_product(box.field, counts(1), channels, operand, chip.workers)
    legal = (box.in_channels == 1) & one_by_one & (not box.accumulates)
    return Candidate("outer-product", cycles, legal)


def _vmac(box: Box, chip: Chip) -> Iterator[Candidate]:
    height, width = box.kernel_height, box.kernel_width
    whole, part, part_taps = vmac_items(box.field, width, chip.workers)
    unsplit = ceil_div(box.field, chip.workers)
    for group_size in (4, 8, 16) if box.partials == "half" else (4,):
        worker = np.minimum(
            vmac_worker(height * whole, width, height * part, part_taps, group_size, box.partials),
            vmac_worker(height * unsplit, width, counts(0), width, group_size, box.partials),
        )
        groups = ceil_div(box.groups, group_size)
        cycles = vmac(groups, counts(1), box.field, worker, group_size, box.partials, chip.workers)
        yield Candidate("vmac", cycles)
