"""What the targets of an exported program's nodes are called in the table of ATen ops."""

from __future__ import annotations

_PREFIX = "torch.ops."
HIGHER_ORDER = "higher_order::"

_PYTHON = {
    "_operator.eq": "aten::eq",
    "_operator.ne": "aten::ne",
    "_operator.le": "aten::le",
    "_operator.ge": "aten::ge",
    "_operator.lt": "aten::lt",
    "_operator.gt": "aten::gt",
    "_operator.neg": "aten::neg",
    "_operator.add": "aten::add",
    "_operator.sub": "aten::sub",
    "_operator.mul": "aten::mul",
    "_operator.floordiv": "aten::floordiv",
    "_operator.truediv": "aten::div",
    "_operator.mod": "aten::remainder",
    "_operator.pow": "aten::pow",
    "_operator.and_": "aten::__and__",
    "_operator.or_": "aten::__or__",
    "_operator.lshift": "aten::__lshift__",
    "_operator.rshift": "aten::__rshift__",
    "math.trunc": "aten::Int",
    "torch.sym_int": "aten::Int",
    "torch.sym_float": "aten::Float",
    "torch.sym_not": "aten::__not__",
    "torch.sym_max": "prim::max",
    "torch.sym_min": "prim::min",
    "torch.sym_sqrt": "aten::sqrt",
}
"""Functions of Python on sizes."""

_SAME = {
    "aten::sym_size": "aten::size",
    "aten::sym_numel": "aten::numel",
    "aten::sym_stride": "aten::stride",
    "aten::sym_storage_offset": "aten::storage_offset",
    "aten::_local_scalar_dense": "aten::item",
}

CHECKS = frozenset(
    {
        "aten::_assert_scalar",
        "aten::_assert_async",
        "aten::_assert_tensor_metadata",
        "aten::sym_constrain_range",
        "aten::sym_constrain_range_for_size",
        "aten::_functional_assert_async",
        "aten::_functional_assert_scalar",
        "prim::device",
        "higher_order::_export_tracepoint",
        "profiler::_record_function_exit",
    }
)
"""Ops that only check something: they change no value."""


def op_name(target: str) -> str:
    """`torch.ops.aten.add.Tensor` is `aten::add`; the overload follows from the arguments."""
    if target in _PYTHON:
        return _PYTHON[target]
    if not target.startswith(_PREFIX):
        return f"python::{target}"
    space, _, rest = target.removeprefix(_PREFIX).partition(".")
    name = f"{space}::{rest.partition('.')[0]}"
    return _SAME.get(name, name)
