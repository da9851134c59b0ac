"""Element types, sizes and copies."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.memory import Layout
from halo_frontends.torchscript.objects import DTYPES, NUMBERS
from halo_frontends.torchscript.promotion import result_dtype
from halo_frontends.torchscript.table import aten
from halo_frontends.torchscript.values import Item, Tensor
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Operand, Size, Value


def _converted(m: Maker, input: Tensor, dtype: DType) -> Tensor:
    """The tensor itself where nothing changes."""
    value = m.read(input)
    return input if m.dtype(value) is dtype else Tensor(m.cast(value, dtype))


@aten("to")
def to(
    m: Maker, input: Tensor, first: Item = None, second: Item = None, *rest: Item, dtype: DType | None = None
) -> Tensor:
    """By an element type, a device and a type, or like another tensor: only an element type changes anything."""
    if isinstance(first, Tensor):
        return _converted(m, input, m.dtype(m.read(first)))
    for item in (first, second):
        if dtype is None and isinstance(item, int) and not isinstance(item, bool):
            dtype = DTYPES[item]
    return input if dtype is None else _converted(m, input, dtype)


@aten("type_as")
def type_as(m: Maker, input: Tensor, other: Value) -> Tensor:
    return _converted(m, input, m.dtype(other))


_NAMED = {
    "float": DType.FLOAT32,
    "double": DType.FLOAT64,
    "half": DType.FLOAT16,
    "bfloat16": DType.BFLOAT16,
    "long": DType.INT64,
    "int": DType.INT32,
    "short": DType.INT16,
    "char": DType.INT8,
    "byte": DType.UINT8,
}


def _enter_cast(name: str, dtype: DType) -> None:
    def cast(m: Maker, input: Tensor) -> Tensor:
        return _converted(m, input, dtype)

    aten(name, f"_cast_{name.capitalize()}")(cast)


for _name, _dtype in _NAMED.items():
    _enter_cast(_name, _dtype)


@aten("contiguous")
def contiguous(m: Maker, input: Tensor, memory_format: Item = None) -> Tensor:
    return input if m.is_row_major(input) else Tensor(m.read(input), quantised=input.quantised, is_pair=input.is_pair)


@aten("cpu", "cuda", "pin_memory")
def same(_m: Maker, input: Tensor, *_rest: Item) -> Tensor:
    return input


@aten("clone", "_to_copy", "lift_fresh_copy")
def clone(m: Maker, input: Value, dtype: DType | None = None) -> Value:
    return input if dtype is None else m.cast(input, dtype)


@aten("size", "sym_size")
def size(m: Maker, input: Tensor, dim: int | None = None) -> object:
    value = m.read(input)
    return m.sizes(value) if dim is None else m.size(value, dim)


@aten("_shape_as_tensor")
def shape_as_tensor(m: Maker, input: Value) -> Value:
    return m.ints(m.sizes(input)) if m.is_static(input) else m.op("Shape", input)


@aten("dim", "ndimension")
def dim(m: Maker, input: Tensor) -> int:
    return m.rank(m.read(input))


@aten("numel", "sym_numel")
def numel(m: Maker, input: Tensor) -> Size:
    value = m.read(input)
    if m.is_static(value):
        return prod(m.shape(value))
    return m.to_size(m.op("Size", value))


@aten("len")
def length(m: Maker, input: Tensor) -> Size:
    return m.size(m.read(input), 0)


@aten("stride")
def stride(m: Maker, input: Tensor, dim: int | None = None) -> object:
    found = list(_known_layout(m, input).strides)
    return found if dim is None else found[dim]


@aten("storage_offset")
def storage_offset(m: Maker, input: Tensor) -> int:
    return _known_layout(m, input).offset


def _known_layout(m: Maker, tensor: Tensor) -> Layout:
    layout = m.layout(tensor)
    if layout is None:
        raise m.unsupported("the place in memory of a tensor that depends on data is not supported")
    return layout


@aten("is_contiguous")
def is_contiguous(m: Maker, input: Tensor, memory_format: Item = None) -> bool:
    return m.is_row_major(input)


@aten("prim::dtype", "scalar_type")
def dtype_of(m: Maker, input: Tensor) -> int:
    return NUMBERS[m.dtype(m.read(input))]


@aten("prim::layout")
def layout(_m: Maker, input: Tensor) -> int:
    return 0


@aten("prim::shape")
def shape(m: Maker, input: Tensor) -> object:
    return m.sizes(m.read(input))


@aten("prim::ndim")
def ndim(m: Maker, input: Tensor) -> int:
    return m.rank(m.read(input))


@aten("prim::is_cuda", "prim::is_sparse", "prim::is_mkldnn", "prim::is_xla", "prim::is_mps", "prim::is_vulkan",
      "prim::requires_grad", "prim::is_meta", "prim::is_nested", "prim::is_leaf", "prim::is_ort", "prim::is_xpu",
      "prim::is_sparse_csr", "prim::is_ipu", "is_cuda", "is_inference", "is_conj", "is_neg")  # fmt: skip
def never(_m: Maker, input: Tensor) -> bool:
    return False


@aten("prim::is_quantized")
def is_quantized(_m: Maker, input: Tensor) -> bool:
    return input.quantised is not None


@aten("result_type")
def result_type(_m: Maker, tensor: Operand, other: Operand) -> int:
    return NUMBERS[result_dtype((tensor, other))]


@aten("promote_types")
def promote_types(_m: Maker, type1: DType, type2: DType) -> int:
    from halo_frontends.torchscript.promotion import promote

    return NUMBERS[promote(type1, type2)]


@aten("can_cast")
def can_cast(_m: Maker, from_: DType, to: DType) -> bool:
    from halo_frontends.torchscript.promotion import category

    return category(from_) <= category(to)


@aten("tolist")
def tolist(m: Maker, input: Value, *_rest: Item) -> object:
    contents = m.known(input)
    if contents is None:
        raise m.unsupported("a list of numbers that depend on data is not supported")
    return contents.tolist()


@aten("is_same_size")
def is_same_size(m: Maker, input: Value, other: Value) -> bool:
    return m.shape(input) == m.shape(other)
