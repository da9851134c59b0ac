"""A machine for the opcodes of Torch's pickles that can build data and nothing else.

It knows no class and calls no function of Python: a GLOBAL is a name, and REDUCE, NEWOBJ and BUILD ask a small table
(`builders.py`) what that name means. Whatever is not in the table is refused. Protocol 2, the only one that
TorchScript writes (torch/csrc/jit/serialization/pickler.cpp).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from halo_py.errors import ModelError, Where

_MOST_STACK = 1 << 20


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a pickle mentions; it stands for nothing until a builder says so."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Builders(Protocol):
    """What the names in a pickle mean."""

    def reduce(self, function: Global, arguments: tuple[Any, ...]) -> object:
        """What `function(*arguments)` stands for. Raises ModelError for a name that is not known."""
        ...

    def new(self, cls: Global) -> object:
        """A fresh object of this class. Raises ModelError."""
        ...

    def build(self, instance: object, state: object) -> None:
        """Give an object its state. Raises ModelError."""
        ...

    def persistent(self, reference: object) -> object:
        """What a persistent id (a storage) stands for. Raises ModelError."""
        ...


def read_pickle(data: memoryview, builders: Builders, what: str, place: Where) -> object:
    """The object that a pickle describes. Raises ModelError for anything but plain data and the builders' names."""
    try:
        return _Machine(data, builders).run()
    except _BadPickleError as error:
        raise ModelError(f"{what} is damaged or no pickle of TorchScript: {error}", place) from None
    except (struct.error, IndexError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise ModelError(f"{what} is damaged: {error}", place) from None


class _BadPickleError(Exception):
    """The pickle cannot be read."""


class _Mark:
    """Where a MARK stands on the stack."""


_MARK = _Mark()


class _Machine:
    """One run over one pickle."""

    def __init__(self, data: memoryview, builders: Builders) -> None:
        self._data = data
        self._at = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._builders = builders

    def run(self) -> object:
        data, steps, stack = self._data, _STEPS, self._stack
        while True:
            code = data[self._at]
            self._at += 1
            if code == _STOP:
                return self._pop()
            step = steps.get(code)
            if step is None:
                raise _BadPickleError(f"opcode {bytes([code])!r} at {self._at - 1} is not one that models use")
            step(self)
            if len(stack) > _MOST_STACK:
                raise _BadPickleError("it stacks up more than any model")

    # -- the stack ------------------------------------------------------------------------------------------------

    def _pop(self) -> Any:
        if not self._stack or (self._marks and self._marks[-1] >= len(self._stack)):
            raise _BadPickleError(f"the stack is empty at {self._at}")
        return self._stack.pop()

    def _since_mark(self) -> list[Any]:
        if not self._marks:
            raise _BadPickleError(f"a mark is missing at {self._at}")
        start = self._marks.pop()
        found = self._stack[start:]
        del self._stack[start:]
        return found

    def _top(self, kind: type[Any]) -> Any:
        found = self._stack[-1] if self._stack else None
        if not isinstance(found, kind):
            raise _BadPickleError(f"a {kind.__name__} is wanted at {self._at}, found {type(found).__name__}")
        return found

    def _take(self, size: int) -> memoryview:
        start, end = self._at, self._at + size
        if size < 0 or end > len(self._data):
            raise _BadPickleError(f"it ends inside of the value at {start}")
        self._at = end
        return self._data[start:end]

    def _unpack(self, layout: str, size: int) -> Any:
        return struct.unpack(layout, self._take(size))[0]

    def _line(self) -> str:
        start = self._at
        limit = min(len(self._data), start + 4096)
        end = bytes(self._data[start:limit]).find(b"\n")
        if end < 0:
            raise _BadPickleError(f"a name at {start} has no end")
        self._at = start + end + 1
        return bytes(self._data[start : start + end]).decode("utf-8")

    # -- opcodes --------------------------------------------------------------------------------------------------

    def protocol(self) -> None:
        version = self._unpack("<B", 1)
        if version > 4:
            raise _BadPickleError(f"protocol {version} is not supported")

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def push_constant(self, value: object) -> None:
        self._stack.append(value)

    def push_number(self, layout: str, size: int) -> None:
        self._stack.append(self._unpack(layout, size))

    def push_long(self) -> None:
        size = self._unpack("<B", 1)
        self._stack.append(int.from_bytes(self._take(size), "little", signed=True))

    def push_text(self, layout: str, size: int) -> None:
        length = self._unpack(layout, size)
        self._stack.append(bytes(self._take(length)).decode("utf-8"))

    def push_global(self) -> None:
        module = self._line()
        self._stack.append(Global(module, self._line()))

    def tuple_of(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def tuple_since_mark(self) -> None:
        self._stack.append(tuple(self._since_mark()))

    def list_since_mark(self) -> None:
        self._stack.append(self._since_mark())

    def dict_since_mark(self) -> None:
        items = self._since_mark()
        self._stack.append(_paired(items))

    def append(self) -> None:
        item = self._pop()
        self._top(list).append(item)

    def appends(self) -> None:
        items = self._since_mark()
        self._top(list).extend(items)

    def set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._top(dict)[key] = value

    def set_items(self) -> None:
        items = self._since_mark()
        self._top(dict).update(_paired(items))

    def put(self, layout: str, size: int) -> None:
        self._memo[self._unpack(layout, size)] = self._stack[-1]

    def get(self, layout: str, size: int) -> None:
        number = self._unpack(layout, size)
        if number not in self._memo:
            raise _BadPickleError(f"it reads the memo {number}, which nothing wrote")
        self._stack.append(self._memo[number])

    def pop(self) -> None:
        self._pop()

    def reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Global):
            raise _BadPickleError(f"it calls something that has no name at {self._at}")
        # The members of enumerations are pickled with their bare value.
        given = cast("tuple[Any, ...]", arguments) if isinstance(arguments, tuple) else (arguments,)
        self._stack.append(self._builders.reduce(function, given))

    def new_object(self) -> None:
        self._pop()
        cls = self._pop()
        if not isinstance(cls, Global):
            raise _BadPickleError(f"it makes an object of something that has no name at {self._at}")
        self._stack.append(self._builders.new(cls))

    def build(self) -> None:
        state = self._pop()
        instance = self._pop()
        self._builders.build(instance, state)
        self._stack.append(instance)

    def persistent_id(self) -> None:
        self._stack.append(self._builders.persistent(self._pop()))


def _paired(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise _BadPickleError("a dictionary has a key without a value")
    return dict(zip(items[::2], items[1::2], strict=True))


_STOP = ord(".")
_STEPS: dict[int, Callable[[_Machine], None]] = {
    0x80: _Machine.protocol,
    ord("("): _Machine.mark,
    ord("N"): lambda machine: machine.push_constant(None),
    0x88: lambda machine: machine.push_constant(True),
    0x89: lambda machine: machine.push_constant(False),
    ord(")"): lambda machine: machine.push_constant(()),
    ord("]"): lambda machine: machine.push_constant([]),
    ord("}"): lambda machine: machine.push_constant({}),
    ord("K"): lambda machine: machine.push_number("<B", 1),
    ord("M"): lambda machine: machine.push_number("<H", 2),
    ord("J"): lambda machine: machine.push_number("<i", 4),
    ord("G"): lambda machine: machine.push_number(">d", 8),
    0x8A: _Machine.push_long,
    ord("X"): lambda machine: machine.push_text("<L", 4),
    ord("U"): lambda machine: machine.push_text("<B", 1),
    0x8C: lambda machine: machine.push_text("<B", 1),
    ord("c"): _Machine.push_global,
    ord("t"): _Machine.tuple_since_mark,
    0x85: lambda machine: machine.tuple_of(1),
    0x86: lambda machine: machine.tuple_of(2),
    0x87: lambda machine: machine.tuple_of(3),
    ord("l"): _Machine.list_since_mark,
    ord("d"): _Machine.dict_since_mark,
    ord("a"): _Machine.append,
    ord("e"): _Machine.appends,
    ord("s"): _Machine.set_item,
    ord("u"): _Machine.set_items,
    ord("q"): lambda machine: machine.put("<B", 1),
    ord("r"): lambda machine: machine.put("<L", 4),
    ord("h"): lambda machine: machine.get("<B", 1),
    ord("j"): lambda machine: machine.get("<L", 4),
    ord("0"): _Machine.pop,
    ord("R"): _Machine.reduce,
    0x81: _Machine.new_object,
    ord("b"): _Machine.build,
    ord("Q"): _Machine.persistent_id,
}
