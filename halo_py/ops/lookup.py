"""Categories looked up in lists: LabelEncoder and OneHotEncoder of `ai.onnx.ml`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.forms import untileable
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.sampling import integers
from halo_py.ops.scalar import ScalarProgram, ScalarStep, constant_step
from halo_py.ops.scalar_op import map_form
from halo_py.types import DType, TensorType, Type

Numbers = NDArray[Any]
Item = float | int | str | bool

ML = "ai.onnx.ml"
MOST_COMPARISONS = 64
"""A longer list of keys is no vertex's business: the host has a hash table."""


def _literal(op: Op, *names: str) -> None:
    """Tensors given as arrays become literals."""
    for name in names:
        found: object = getattr(op, name)
        if isinstance(found, np.ndarray):
            object.__setattr__(op, name, TensorLiteral.of(cast("Numbers", found)))


@op("label_encoder", onnx="LabelEncoder", domain=ML, since=4)
class LabelEncoder(Op):
    """Each element's value in a list of pairs, the last one that has it as its key; a default where none has it.

    Exactly one of `keys_*` and one of `values_*` is given; a NaN among the keys is every NaN.
    """

    default_float: float = -0.0
    default_int64: int = -1
    default_string: str = "_Unused"
    default_tensor: TensorLiteral | None = None
    keys_floats: tuple[float, ...] | None = None
    keys_int64s: tuple[int, ...] | None = None
    keys_strings: tuple[str, ...] | None = None
    keys_tensor: TensorLiteral | None = None
    values_floats: tuple[float, ...] | None = None
    values_int64s: tuple[int, ...] | None = None
    values_strings: tuple[str, ...] | None = None
    values_tensor: TensorLiteral | None = None

    def __post_init__(self) -> None:
        _literal(self, "default_tensor", "keys_tensor", "values_tensor")

    def _list(self, which: str) -> tuple[DType, Sequence[Item]]:
        """Element type and elements of the one list of keys or values. Raises ValueError."""
        types = {"floats": DType.FLOAT32, "int64s": DType.INT64, "strings": DType.STRING}
        found: list[tuple[DType, Sequence[Item]]] = []
        for suffix, dtype in types.items():
            items: Sequence[Item] = getattr(self, f"{which}_{suffix}") or ()
            if items:
                found.append((dtype, items))
        tensor: TensorLiteral | None = getattr(self, f"{which}_tensor")
        if tensor is not None:
            found.append((tensor.dtype, tensor.values))
        if len(found) != 1:
            raise ValueError(f"needs exactly one list of {which}, found {len(found)}")
        return found[0]

    def _default(self, dtype: DType) -> Item:
        """What an element without a value becomes."""
        if self.values_tensor is None:
            return {DType.FLOAT32: self.default_float, DType.INT64: self.default_int64}.get(dtype, self.default_string)
        if self.default_tensor is not None:
            return self.default_tensor.values[0]
        return "_Unused" if dtype is DType.STRING else -0.0 if dtype.is_float else -1

    def _pairs(self) -> dict[Item, Item]:
        """Values by keys, in order; a NaN among the keys is one key."""
        pairs: dict[Item, Item] = {}
        for key, value in zip(self._list("keys")[1], self._list("values")[1], strict=True):
            pairs[_same_nan(key)] = value
        return pairs

    def repeats_keys(self) -> bool:
        """Whether some key is there twice. Raises ValueError if there is not one list of keys and one of values."""
        return len(self._pairs()) < len(self._list("keys")[1])

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        try:
            (key_type, keys), (value_type, values) = self._list("keys"), self._list("values")
        except ValueError as error:
            raise args.error(str(error)) from error
        if len(keys) != len(values):
            raise args.error(f"has {len(keys)} keys for {len(values)} values")
        if key_type is not args.dtype(0):
            raise args.error(f"has keys of type {key_type.text} for elements of type {args.dtype(0).text}")
        fallback = self.default_tensor
        fits = fallback is None or (fallback.dtype is value_type and len(fallback.values) == 1)
        if self.values_tensor is not None and not fits:
            raise args.error(f"needs a default_tensor of one {value_type.text}")
        return (TensorType(value_type, args.shape(0)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, pairs, dtype = args.array(0), self._pairs(), self._list("values")[0]
        default = self._default(dtype)
        items: list[Item] = data.reshape(-1).tolist()
        made: Numbers = np.empty(len(items), dtype.numpy)
        made[:] = [pairs.get(_same_nan(item), default) for item in items]
        return (made.reshape(data.shape),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        pairs, refusal = self._pairs(), untileable(args)
        if refusal is not None:
            return refusal
        if len(pairs) > MOST_COMPARISONS:
            return Refusal(f"a list of more than {MOST_COMPARISONS} keys is looked up on the host")
        key_type, value_type = self._list("keys")[0], self._list("values")[0]
        return map_form(args, _selection(pairs, self._default(value_type), key_type, value_type))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        words = np.asarray([["a", "b"], ["c", "a"]], object)
        yield Sample(cls(keys_strings=("a", "b"), values_int64s=(1, 2)), (words,))
        numbers = integers(1, 3, 4, low=0, high=5, dtype=DType.INT64)
        yield Sample(cls(keys_int64s=(1, 3), values_floats=(0.5, -2.5), default_float=9.0), (numbers,))
        yield Sample(cls(keys_int64s=(4, 0), values_int64s=(0, 4)), (numbers,))
        yield Sample(cls(keys_int64s=(1,), values_strings=("one",), default_string="?"), (numbers,))
        floats = np.asarray([0.5, np.nan, -1.0, 2.0], np.float32)
        yield Sample(cls(keys_floats=(0.5, float("nan")), values_floats=(1.0, 2.0)), (floats,))
        keys, values = TensorLiteral(DType.INT16, (2,), (2, 4)), TensorLiteral(DType.FLOAT64, (2,), (0.25, 2.0))
        fallback = TensorLiteral(DType.FLOAT64, (1,), (-1.0,))
        shorts = np.asarray([2, 3, 4], np.int16)
        yield Sample(cls(keys_tensor=keys, values_tensor=values, default_tensor=fallback), (shorts,))
        yield Sample(cls(keys_tensor=keys, values_int64s=(7, 8), default_int64=5), (shorts,))


def _same_nan(item: Item) -> Item:
    """The item, or one NaN for all of them (NaN is found in no dictionary)."""
    return math.nan if isinstance(item, float) and math.isnan(item) else item


def _selection(pairs: Mapping[Item, Item], default: Item, key_type: DType, value_type: DType) -> ScalarProgram:
    """The value of the key that an element equals, one comparison after another."""
    steps = [constant_step(_number(default), value_type)]

    def add(step: ScalarStep) -> int:
        steps.append(step)
        return len(steps)

    result = 1
    for key, value in pairs.items():
        if isinstance(key, float) and math.isnan(key):
            same = add(ScalarStep("is_nan", (0,), DType.BOOL))
        else:
            same = add(ScalarStep("equal", (0, add(constant_step(_number(key), key_type))), DType.BOOL))
        result = add(ScalarStep("where", (same, add(constant_step(_number(value), value_type)), result), value_type))
    return ScalarProgram(1, tuple(steps))


def _number(item: Item) -> float:
    assert not isinstance(item, str)
    return item


@op("one_hot_encoder", onnx="OneHotEncoder", domain=ML, since=1, host_only="an unknown category may end the run")
class OneHotEncoder(Op):
    """A new last dimension with a 1 at the place of the element's category; the last one of equal categories counts.

    Without `zeros` an element of no category is an error. Numbers are truncated to integers.
    """

    cats_int64s: tuple[int, ...] | None = None
    cats_strings: tuple[str, ...] | None = None
    zeros: int = 1

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, wanted = args.shape(0), "cats_strings" if args.dtype(0) is DType.STRING else "cats_int64s"
        categories: Sequence[Item] = getattr(self, wanted) or ()
        if not categories:
            raise args.error(f"elements of type {args.dtype(0).text} need {wanted}")
        return (TensorType(DType.FLOAT32, None if shape is None else (*shape, len(categories))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        is_text = data.dtype == object
        categories: Sequence[Item] = (self.cats_strings if is_text else self.cats_int64s) or ()
        places: dict[Item, int] = {category: place for place, category in enumerate(categories)}
        items: Sequence[Item] = (data if is_text else data.astype(np.int64)).reshape(-1).tolist()
        made: Numbers = np.zeros((len(items), len(categories)), np.float32)
        for row, item in zip(made, items, strict=True):
            if item in places:
                row[places[item]] = 1
            elif not self.zeros:
                raise ValueError(f"{item!r} is none of the categories")
        return (made.reshape(*data.shape, len(categories)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        words = np.asarray(["a", "b", "?"], object)
        yield Sample(cls(cats_strings=("b", "a", "b")), (words,))
        yield Sample(cls(cats_strings=("b", "a"), zeros=0), (words[:2].reshape(1, 2),))
        yield Sample(cls(cats_int64s=(1, 2, 3)), (np.asarray([[1.7, 2.0], [3.9, 5.0]], np.float32),))
        yield Sample(cls(cats_int64s=(3, -1, 7), zeros=0), (np.asarray([[3, -1], [7, 3]], np.int64),))
