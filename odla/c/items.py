"""Items: options of computations and contexts, each read from the caller's datum at once and checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from halo_py.errors import UsageError
from odla.c.binding import FIRST_ADDRESS, address_of, c, is_memory, text_at
from odla.c.element_types import ElementTypeError


class Item(IntEnum):
    """`odla_item_type`, and two private keys that existing clients of IPUs use."""

    DYNAMIC_BATCH = 0
    MIN_BATCH_SIZE = 1
    MAX_BATCH_SIZE = 2
    OPT_BATCH_SIZE = 3
    RUN_BATCH_SIZE = 4
    DYNAMIC_SHAPE = 5
    MIN_SHAPE = 6
    MAX_SHAPE = 7
    OPT_SHAPE = 8
    DYNAMIC_VALUE = 9
    MIN_VALUE = 10
    MAX_VALUE = 11
    OPT_VALUE = 12
    BF16_MODE = 13
    FP16_MODE = 14
    USE_SIM_MODE = 15
    PROCESSOR_NUM = 16
    BATCHES_PER_STEP = 17
    USE_DATA_TYPE = 18
    LOAD_ENGINE_MODE = 19
    USE_DLA_CORE = 20
    QUANT_TABLE = 21
    QUANT_TABLE_SIZE = 22
    AGGREGATE_OPS = 23
    ENABLE_ENGINE_CACHE = 24
    CACHE_DIR = 25
    ASYNC_CALLBACK_FUNC = 26
    ASYNC_CALLBACK_ARG = 27
    CACHE_FILE = 1001
    VERBOSE = 1002


FLAGS = frozenset(
    {
        Item.DYNAMIC_BATCH,
        Item.DYNAMIC_SHAPE,
        Item.DYNAMIC_VALUE,
        Item.FP16_MODE,
        Item.USE_SIM_MODE,
        Item.LOAD_ENGINE_MODE,
        Item.AGGREGATE_OPS,
        Item.ENABLE_ENGINE_CACHE,
        Item.VERBOSE,
    }
)
TEXTS = frozenset({Item.CACHE_DIR, Item.CACHE_FILE})
POINTERS = frozenset({Item.QUANT_TABLE, Item.ASYNC_CALLBACK_FUNC, Item.ASYNC_CALLBACK_ARG})
OF_CONTEXT = frozenset({Item.RUN_BATCH_SIZE, Item.AGGREGATE_OPS, Item.ASYNC_CALLBACK_FUNC, Item.ASYNC_CALLBACK_ARG})
OF_VALUES = frozenset({Item.MIN_SHAPE, Item.MAX_SHAPE, Item.OPT_SHAPE, Item.MIN_VALUE, Item.MAX_VALUE, Item.OPT_VALUE})
OF_COMPUTATION = frozenset(Item) - OF_CONTEXT - OF_VALUES | {Item.AGGREGATE_OPS}


@dataclass(frozen=True, slots=True)
class QuantRange:
    """An entry of a quantisation table: the range of a value, or of one channel of it (-1: of all)."""

    value_id: str
    channel: int
    scale: float
    offset: float
    low: float
    high: float


def item_of(number: int, allowed: frozenset[Item], owner: str) -> Item:
    """The item of this number. Raises ElementTypeError if it is none of `owner`'s."""
    if number in allowed:
        return Item(number)
    name = f"ODLA_{Item(number).name}" if number in set(Item) else str(number)
    raise ElementTypeError(f"item {name} is no item of a {owner}")


def read_item(item: Item, pointer: Any) -> bool | int | str | Any:
    """The datum an item points to. Raises UsageError for a pointer to no memory."""
    if item in POINTERS:
        return pointer
    if item in FLAGS:
        # Clients pass a pointer to a bool; some pass the flag itself.
        return _number(item, pointer, "unsigned char", 1) != 0
    if item in TEXTS:
        if not is_memory(pointer):
            raise UsageError(f"the value of item {item.name} is no C string")
        return text_at(pointer)
    return _number(item, pointer, "int", 4)


def _number(item: Item, pointer: Any, type: str, bytes: int) -> int:
    address = address_of(pointer)
    if item is Item.VERBOSE and address < FIRST_ADDRESS:
        return address
    if not is_memory(pointer, bytes):
        raise UsageError(f"the value of item {item.name} is no pointer to its datum: {address:#x}")
    return int(c.ffi.cast(f"{type}*", pointer)[0])


def read_quant_table(pointer: Any, size: int) -> tuple[QuantRange, ...]:
    """A quantisation table of `size` entries. Raises UsageError if it is not in memory."""
    entry = c.ffi.sizeof("odla_value_quant_info")
    if size < 0 or not is_memory(pointer, max(1, size * entry)):
        raise UsageError("the quantisation table is not in memory")
    rows = c.ffi.cast("odla_value_quant_info*", pointer)
    found: list[QuantRange] = []
    for number in range(size):
        row = rows[number]
        name = text_at(row.value_id) if is_memory(row.value_id) else str(address_of(row.value_id))
        found.append(QuantRange(name, row.ch_idx, row.scale, row.offset, row.min, row.max))
    return tuple(found)
