"""Window arithmetic of convolutions and pools: kernel, strides, dilations, the three ways to pad."""

from __future__ import annotations

from dataclasses import dataclass

from halo_py.ir.op import InferArgs
from halo_py.ops.dims import floor_divide, unknown_dim
from halo_py.types import Dim, Shape, add_dims


@dataclass(frozen=True, slots=True)
class Window:
    """A window over the spatial dimensions (the field), with everything ONNX leaves implicit filled in.

    `pads` are None under auto_pad SAME until the field is known.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...] | None
    """All begins, then all ends."""
    auto_pad: str = "NOTSET"
    ceil_mode: bool = False

    @property
    def rank(self) -> int:
        """Number of spatial dimensions."""
        return len(self.kernel)

    def reach(self, number: int) -> int:
        """Extent of the dilated window along spatial dimension `number`."""
        return self.dilations[number] * (self.kernel[number] - 1) + 1

    def padding(self, field: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Padding before and after each dimension of a field of this size."""
        if self.pads is not None:
            return self.pads[: self.rank], self.pads[self.rank :]
        before: list[int] = []
        after: list[int] = []
        for number, size in enumerate(field):
            stride = self.strides[number]
            total = max((-(-size // stride) - 1) * stride + self.reach(number) - size, 0)
            first = total // 2 if self.auto_pad == "SAME_UPPER" else total - total // 2
            before.append(first)
            after.append(total - first)
        return tuple(before), tuple(after)

    def out_sizes(self, field: tuple[int, ...]) -> tuple[int, ...]:
        """Field of the result for a field of this size."""
        return tuple(self._out(number, size) for number, size in enumerate(field))

    def out_dims(self, field: Shape, args: InferArgs) -> Shape:
        """Field of the result, symbolic dimensions included. Raises ShapeError if the window does not fit."""
        return tuple(self._out_dim(number, dim, args) for number, dim in enumerate(field))

    def _out(self, number: int, size: int) -> int:
        stride = self.strides[number]
        if self.pads is None:
            return -(-size // stride)
        before, after = self.pads[number], self.pads[self.rank + number]
        room = size + before + after - self.reach(number)
        if not self.ceil_mode:
            return room // stride + 1
        count = -(-room // stride) + 1
        return count - 1 if (count - 1) * stride >= size + before else count

    def _out_dim(self, number: int, dim: Dim, args: InferArgs) -> Dim:
        if isinstance(dim, int):
            size = self._out(number, dim)
            if size < 1 and dim > 0:
                raise args.error(f"a window of {self.reach(number)} does not fit spatial dimension {number} of {dim}")
            return max(size, 0)
        stride = self.strides[number]
        if self.pads is None:
            found = floor_divide(add_dims(dim, stride - 1), stride)
        else:
            room = self.pads[number] + self.pads[self.rank + number] - self.reach(number)
            slack = stride - 1 if self.ceil_mode else 0
            found = floor_divide(add_dims(dim, room + slack + stride), stride)
        return unknown_dim(args, f"field{number}") if found is None else found


def make_window(
    kernel: tuple[int, ...],
    strides: tuple[int, ...] | None,
    dilations: tuple[int, ...] | None,
    pads: tuple[int, ...] | None,
    auto_pad: str = "NOTSET",
    *,
    ceil_mode: bool = False,
) -> Window:
    """The window of these ONNX attributes. Raises ValueError if they do not fit together."""
    rank = len(kernel)
    if auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"unknown auto_pad {auto_pad!r}")
    same = auto_pad.startswith("SAME")
    explicit = tuple(pads) if pads and auto_pad in ("NOTSET", "") else (0,) * (2 * rank)
    window = Window(
        tuple(kernel),
        tuple(strides) if strides else (1,) * rank,
        tuple(dilations) if dilations else (1,) * rank,
        None if same else explicit,
        auto_pad,
        ceil_mode,
    )
    if len(window.strides) != rank or len(window.dilations) != rank or len(explicit) != 2 * rank:
        raise ValueError(
            f"strides, dilations and pads must have 1, 1 and 2 entries for each of {rank} kernel dimensions"
        )
    if min((*kernel, *window.strides, *window.dilations), default=1) < 1:
        raise ValueError("kernel, strides and dilations must be positive")
    return window
