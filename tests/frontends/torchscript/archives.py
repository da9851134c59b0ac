"""TorchScript archives written by hand: for files that Torch would never write."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

SOURCE = """class Net(Module):
  __parameters__ = ["weight", ]
  __buffers__ = []
  weight : Tensor
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    weight = self.weight
    return torch.add(x, weight)
"""

EMPTY_CONSTANTS = b"\x80\x02)."


def text(value: str) -> bytes:
    """A text as a pickle writes it."""
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def integer(value: int) -> bytes:
    """An integer as a pickle writes it."""
    size = max(1, (value.bit_length() + 8) // 8)
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def integers(*values: int) -> bytes:
    """A tuple of integers."""
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(sizes: tuple[int, ...], strides: tuple[int, ...], elements: int, key: str = "0", offset: int = 0) -> bytes:
    """A float tensor over the storage `key` of that many elements."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + integer(elements) + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    parts = storage + integer(offset) + integers(*sizes) + integers(*strides) + b"\x89" + hooks
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + parts + b"tR"


def module(weight: bytes, name: str = "Net") -> bytes:
    """The pickle of a module with one attribute, `weight`."""
    return b"\x80\x02c__torch__\n" + name.encode() + b"\n)\x81}(" + text("weight") + weight + b"ub."


def records(**changed: bytes | None) -> dict[str, bytes]:
    """The records of a small good file, some of them changed or (None) left out. `_` stands for `/` or `.`."""
    found: dict[str, bytes | None] = {
        "data.pkl": module(tensor((2, 3), (3, 1), 6)),
        "constants.pkl": EMPTY_CONSTANTS,
        "code/__torch__.py": SOURCE.encode(),
        "data/0": bytes(24),
        "version": b"3\n",
    }
    names = {"data": "data.pkl", "constants": "constants.pkl", "code": "code/__torch__.py", "storage": "data/0"}
    found.update({names.get(name, name): contents for name, contents in changed.items()})
    return {name: contents for name, contents in found.items() if contents is not None}


def write_archive(path: Path, contents: Mapping[str, bytes], top: str = "net/", deflated: bool = False) -> Path:
    """Write the records under a top folder."""
    kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in contents.items():
            archive.writestr(top + name, data)
    return path


def function_archive(path: Path, body: str) -> Path:
    """A model in a folder whose `forward` is a function of x with this body, four spaces deep."""
    head, _, _ = SOURCE.partition("    weight = self.weight")
    return write_archive(path / "net.pt", records(code=(head + body).encode()))
