"""What this process and the child that holds a library say to each other: JSON texts over a socket, arrays in memory.

A call is `[function, label, arguments, slots, may_fail]`. `label` says on whose behalf it is made. Handles that the
library answers are kept by the child in numbered slots. An argument is a number, None (NULL), or an object of one key:

    v slot | vs [slots]            handles, `odla_values`
    dims [sizes] | type [e, sizes] `odla_value_shape` (None: rank -1), `odla_value_type`
    u32, i32 [numbers]             pointer to such numbers
    text s | ids [s]               a C string (an id too), `odla_value_ids`
    mem [arena, offset]            an address in shared memory
    out slot                       pointer to a handle, which goes to the slot
    get type | datum [type, n]     pointer to a value of a C type: what stands there after the call is answered
    room n                         pointer to n bytes: the C string that stands there after the call is answered
    struct [type, {field: n}]      a struct by value, or a pointer to one whose contents are answered
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

Argument: TypeAlias = "int | float | dict[str, Any] | None"

PROGRESS_BYTES = 4096
_HEAD = struct.Struct("<I")
_PROGRESS = struct.Struct("<QI")


@dataclass(frozen=True, slots=True)
class CallStep:
    """One call to be made."""

    function: str
    arguments: tuple[Argument, ...]
    slots: tuple[int, ...] = ()
    """Where the handles that it answers go."""
    label: str = ""
    may_fail: bool = False
    """Whether the calls after it are made even if it fails."""

    def encoded(self) -> list[Any]:
        """As it goes over the wire."""
        return [self.function, self.label, list(self.arguments), list(self.slots), self.may_fail]


def send(channel: socket.socket, message: dict[str, Any], *files: int) -> None:
    """Send a message and file descriptors. Raises OSError if the other side is gone."""
    body = json.dumps(message).encode()
    packet = _HEAD.pack(len(body)) + body
    sent = socket.send_fds(channel, [packet], list(files)) if files else channel.send(packet)
    channel.sendall(memoryview(packet)[sent:])


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message with its file descriptors. Raises EOFError if the other side is gone."""
    head, files, _flags, _address = socket.recv_fds(channel, _HEAD.size, 4)
    head += _exactly(channel, _HEAD.size - len(head)) if head else b""
    if not head:
        raise EOFError
    message: dict[str, Any] = json.loads(_exactly(channel, _HEAD.unpack(head)[0]))
    return message, files


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def write_progress(page: Any, count: int, function: str, label: str) -> None:
    """Say in shared memory which call begins now: it can be read there whatever the call does."""
    text = f"{function}\0{label}".encode()[: PROGRESS_BYTES - _PROGRESS.size]
    page[_PROGRESS.size : _PROGRESS.size + len(text)] = text
    _PROGRESS.pack_into(page, 0, count, len(text))


def read_progress(page: Any) -> tuple[int, str, str]:
    """The number of the call that began last, its function and label."""
    count, size = _PROGRESS.unpack_from(page, 0)
    text = bytes(page[_PROGRESS.size : _PROGRESS.size + size]).decode("utf-8", "replace")
    function, _, label = text.partition("\0")
    return count, function, label
