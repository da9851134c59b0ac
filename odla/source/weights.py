"""Constants as one binary file and an assembler file that makes symbols of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from halo_py.ir.graph import Value
    from odla.calls.model import Calls

ALIGNMENT = 64
"""Bytes that the weights of one constant begin at a multiple of."""
_CHUNK = 1 << 24


def write_weights(calls: Calls, stream: BinaryIO) -> None:
    """All constants in order, each padded to the alignment."""
    for _value, contents in calls.constants:
        array = np.ascontiguousarray(contents)
        stream.writelines(_pieces(array.reshape(-1).view(np.uint8)))
        stream.write(bytes(-array.nbytes % ALIGNMENT))


def _pieces(contents: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Iterator[bytes]:
    """A mapped array is read piece by piece."""
    for start in range(0, contents.size, _CHUNK):
        yield contents[start : start + _CHUNK].tobytes()


def assembler(calls: Calls, file: str, symbol: Callable[[Value], str]) -> str:
    """Symbols of the constants inside the file of weights; to be assembled in its folder."""
    lines = ["/* The weights as symbols. Assemble it in this folder: it includes the file beside it. */"]
    lines += [".section .rodata", f".balign {ALIGNMENT}"]
    offset = 0
    for value, contents in calls.constants:
        padded = contents.nbytes + -contents.nbytes % ALIGNMENT
        lines += [f".globl {symbol(value)}", f"{symbol(value)}:"]
        if padded:
            lines.append(f'.incbin "{file}", {offset}, {padded}')
        offset += padded
    lines.append('.section .note.GNU-stack,"",@progbits')
    return "\n".join(lines) + "\n"
