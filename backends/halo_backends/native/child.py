"""The child process that holds one ODLA library and makes calls of it, all in its main thread.

It imports no more than it needs, so that it starts fast and shares nothing with the library. Its standard output and
error are the library's: nothing of the protocol goes there.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any, cast

from halo_backends.native.abi import c_type, function_of, prototypes
from halo_backends.native.wire import PROGRESS_BYTES, Argument, receive, send, write_progress

_LAST_ERROR = "odla_GetLastErrorText"
_RELEASE = "odla_ReleaseValue"


class Child:
    """The library, its functions as they are asked for, handles in slots and memory in arenas."""

    def __init__(self, channel: socket.socket, progress: mmap.mmap) -> None:
        self._channel = channel
        self._progress = progress
        self._count = 0
        self._library: ctypes.CDLL | None = None
        self._functions: dict[str, Any] = {}
        self._slots: dict[int, int | None] = {}
        self._arenas: dict[int, tuple[mmap.mmap, int]] = {}
        self._texts: dict[str, Any] = {}
        self._kept: list[Any] = []
        """Numbers that the library may still point to. These and the texts live as long as the process."""

    def serve(self) -> None:
        """Answer requests until the other side is gone."""
        while True:
            message, files = receive(self._channel)
            match message.pop("do"):
                case "load":
                    answer = self._load(**message)
                case "map":
                    answer = self._map(files[0], **message)
                case "unmap":
                    self._arenas.pop(message["arena"])
                    answer = {}
                case _:
                    answer = self._calls(message["calls"])
            send(self._channel, answer)

    def _begin(self, function: str, label: str) -> None:
        self._count += 1
        write_progress(self._progress, self._count, function, label)

    def _load(self, path: str) -> dict[str, Any]:
        self._begin("dlopen", "")
        try:
            self._library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
        except OSError as error:
            return {"error": str(error)}
        return {"exported": [name for name in prototypes() if hasattr(self._library, name)]}

    def _map(self, file: int, arena: int, bytes: int, private: bool) -> dict[str, Any]:
        memory = mmap.mmap(file, bytes, access=mmap.ACCESS_COPY if private else mmap.ACCESS_WRITE)
        os.close(file)
        self._arenas[arena] = memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))
        return {}

    def _calls(self, calls: list[list[Any]]) -> dict[str, Any]:
        answers: list[Any] = []
        released: set[int | None] = set()
        for function, label, arguments, slots, may_fail in calls:
            if function == _RELEASE:  # a library may have answered one handle for several values
                address = self._slots.get(arguments[0]["v"])
                if address in released:
                    answers.append({})
                    continue
                released.add(address)
            self._begin(function, label)
            answer = self._call(function, arguments, slots)
            answers.append(answer)
            if "failed" in answer and not may_fail:
                break
        self._begin("", "")
        return {"answers": answers}

    def _call(self, name: str, arguments: list[Any], slots: list[int]) -> dict[str, Any]:
        if name not in self._functions:
            assert self._library is not None
            self._functions[name] = function_of(self._library, name)
        function = self._functions[name]
        if function is None:
            return {"failed": "missing"}
        types = [parameter.type for parameter in prototypes()[name].parameters]
        for given, type in zip(arguments, types, strict=True):
            if isinstance(given, int) and _truncates(given, type):
                return {"failed": "range", "type": type, "number": given}
        outs: list[tuple[str, Any, Any]] = []
        passed = [self._argument(given, type, outs) for given, type in zip(arguments, types, strict=True)]
        answer = self._answer(prototypes()[name].result, function(*passed), slots)
        if "failed" in answer and name != _LAST_ERROR:
            self._add_text(answer)
        if outs:
            answer["outs"] = [self._out(*out) for out in outs]
        return answer

    def _add_text(self, answer: dict[str, Any]) -> None:
        if self._library is not None and hasattr(self._library, _LAST_ERROR):
            text = self._call(_LAST_ERROR, [], []).get("text")
            if text:
                answer["text"] = text

    def _answer(self, kind: str, result: Any, slots: list[int]) -> dict[str, Any]:
        if kind == "odla_status":
            return {"status": result} | ({"failed": "status"} if result else {})
        if kind == "odla_value":
            self._slots.update((slot, result) for slot in slots)
            return {} if result else {"failed": "null"}
        if kind == "odla_values":
            size = int(result.size)
            handles = [result.values[number] for number in range(min(size, len(result.values)))]
            self._slots.update(zip(slots, handles, strict=False))
            bad = size < len(slots) or size > len(result.values) or not all(handles[: len(slots)])
            return {"size": size} | ({"failed": "size"} if bad else {})
        if isinstance(result, bytes):
            return {"text": result.decode("utf-8", "replace")}
        return {} if kind in ("void", "odla_void") else {"number": result}

    def _argument(self, given: Argument, type: str, outs: list[tuple[str, Any, Any]]) -> Any:
        if not isinstance(given, dict):
            return given
        ((kind, what),) = given.items()
        return self._made(kind, what, type, outs)

    def _made(self, kind: str, what: Any, type: str, outs: list[tuple[str, Any, Any]]) -> Any:
        match kind:
            case "v":
                return self._slots.get(what)
            case "vs":
                return _filled("odla_values", "values", [self._slots.get(slot) for slot in what])
            case "ids":
                texts = [self._address_of_text(text) for text in what]
                return _filled("odla_value_ids", "value_ids", texts)
            case "dims":
                return _shape(what)
            case "type":
                return c_type("odla_value_type")(what[0], _shape(what[1]))
            case "u32" | "i32":
                numbers = ((ctypes.c_uint32 if kind == "u32" else ctypes.c_int32) * max(1, len(what)))(*what)
                return self._kept_address(numbers)
            case "text":
                return self._address_of_text(what)
            case "mem":
                return self._arenas[what[0]][1] + what[1]
            case "struct":
                return self._struct(what, type, outs)
            case _:
                return self._out_parameter(kind, what, outs)

    def _struct(self, what: Any, type: str, outs: list[tuple[str, Any, Any]]) -> Any:
        made = c_type(what[0])()
        for name, number in what[1].items():
            setattr(made, name, self._argument(number, "", outs))
        if not type.endswith("*"):
            return made
        outs.append(("get", made, what[0]))
        return self._kept_address(made)

    def _out_parameter(self, kind: str, what: Any, outs: list[tuple[str, Any, Any]]) -> int:
        if kind == "out":
            holder: Any = ctypes.c_void_p()
        elif kind == "get":
            holder = c_type(what)()
        elif kind == "datum":
            holder = c_type(what[0])(what[1])
        else:
            holder = ctypes.create_string_buffer(what)
        outs.append((kind, holder, what))
        return self._kept_address(holder)

    def _out(self, kind: str, holder: Any, what: Any) -> Any:
        if kind == "out":
            self._slots[what] = holder.value
            return bool(holder.value)
        if kind == "room":
            return holder.value.decode("utf-8", "replace")
        return _plain(holder)

    def _address_of_text(self, text: str) -> int:
        if text not in self._texts:
            self._texts[text] = ctypes.create_string_buffer(text.encode())
        return ctypes.addressof(self._texts[text])

    def _kept_address(self, holder: Any) -> int:
        self._kept.append(holder)
        return ctypes.addressof(holder)


def _truncates(number: int, type: str) -> bool:
    """Whether a C type cannot hold a number."""
    made = c_type(type)
    return made not in (ctypes.c_float, ctypes.c_double, ctypes.c_void_p) and made(number).value != number


def _filled(type: str, field: str, entries: Sequence[int | None]) -> Any:
    made: Any = c_type(type)()
    made.size = len(entries)
    array = getattr(made, field)
    for number, entry in enumerate(entries):
        array[number] = entry
    return made


def _shape(sizes: list[int] | None) -> Any:
    made: Any = c_type("odla_value_shape")()
    made.size = -1 if sizes is None else len(sizes)
    for number, size in enumerate(sizes or ()):
        made.dims[number] = size
    return made


def _plain(holder: Any) -> Any:
    """A C value as JSON: numbers, and objects of fields for structs. Pointers are only known to be NULL or not."""
    if isinstance(holder, (ctypes.Structure, ctypes.Union)):
        return {field[0]: _plain(getattr(holder, field[0])) for field in type(holder)._fields_}
    if isinstance(holder, ctypes.Array):
        items = cast("Sequence[Any]", holder)
        return [_plain(item) for item in items]
    if isinstance(holder, ctypes.c_void_p):
        return bool(holder.value)
    value = getattr(holder, "value", holder)
    return value if isinstance(value, (int, float, bool)) else None


def _end_with_parent(life: int) -> None:
    """End at once when the process that started this one is gone, even if the library never returns."""
    os.read(life, 1)
    os._exit(0)


def main() -> None:
    """Serve the process that started this one: file descriptors of channel, progress page and life line."""
    channel, progress, life = (int(number) for number in sys.argv[1:4])
    threading.Thread(target=_end_with_parent, args=(life,), daemon=True).start()
    try:
        Child(socket.socket(fileno=channel), mmap.mmap(progress, PROGRESS_BYTES)).serve()
    except (EOFError, ConnectionError):
        os._exit(0)
