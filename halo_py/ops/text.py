"""Ops on text: strings live on the host; what numbers stand for may be counted on tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.errors import UnsupportedError, Where
from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import WHOLE, Access, Affine, Axis, Kernel, Refusal, TileForm, VertexArgs
from halo_py.ir.work import Count, MapWork, Work
from halo_py.ops.dims import broadcast_shapes, unknown_dim
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel
from halo_py.types import Dim, DType, TensorType, Type

Numbers = NDArray[Any]
STRINGS = "strings live on the host"


def _strings(*values: str) -> Numbers:
    return np.asarray(values, object)


@op("string_concat", onnx="StringConcat", since=20, host_only=STRINGS)
class StringConcat(Op):
    """Both strings one after the other, with broadcasting."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(DType.STRING, broadcast_shapes(args, args.shape(0), args.shape(1))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        left, right = np.broadcast_arrays(args.array(0).astype(object), args.array(1).astype(object))
        made: Numbers = np.empty(left.shape, object)
        for at in np.ndindex(*left.shape):
            made[at] = str(left[at]) + str(right[at])
        return (made,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (_strings("a", "bc"), _strings("x", "")))
        yield Sample(cls(), (_strings("a", "bc"), np.asarray("!", object)))
        yield Sample(cls(), (_strings("a", "bc").reshape(2, 1), _strings("1", "2", "3")))


@op("string_split", onnx="StringSplit", since=20, host_only=STRINGS)
class StringSplit(Op):
    """Pieces of each string between delimiters (white space without one), padded with "", and how many there are."""

    delimiter: str | None = None
    maxsplit: int | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        pieces = None if shape is None else (*shape, unknown_dim(args, "pieces"))
        return TensorType(DType.STRING, pieces), TensorType(DType.INT64, shape)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        most = -1 if self.maxsplit is None else self.maxsplit
        found = [str(text).split(self.delimiter or None, most) for text in data.reshape(-1).tolist()]
        width = max((len(pieces) for pieces in found), default=0)
        made: Numbers = np.full((len(found), width), "", object)
        for row, pieces in zip(made, found, strict=True):
            row[: len(pieces)] = pieces
        counts = np.asarray([len(pieces) for pieces in found], np.int64)
        return made.reshape(*data.shape, width), counts.reshape(data.shape)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (_strings("a b  c", " d", "e f"),), outputs=2)
        yield Sample(cls("."), (_strings("a.b..c", "d"),), outputs=2)
        yield Sample(cls(",", 1), (_strings("a,b,c", "d").reshape(1, 2),), outputs=2)


@op("regex_full_match", onnx="RegexFullMatch", since=20, host_only=STRINGS)
class RegexFullMatch(Op):
    """Whether each whole string matches `pattern`, in the syntax of RE2 (which never takes exponential time)."""

    pattern: str | None = None

    def _compiled(self, where: Where) -> Any:
        """RE2's form of the pattern. Raises UnsupportedError if RE2 is not installed, ValueError for no RE2 syntax."""
        try:
            engine: Any = import_module("re2")
        except ImportError as error:
            hint = "pip install google-re2"
            raise UnsupportedError("regular expressions need the package google-re2", where, hint) from error
        if self.pattern is None:
            raise ValueError("the attribute 'pattern' is missing")
        options = engine.Options()
        options.log_errors = False
        try:
            return engine.compile(self.pattern.encode("utf-8", "surrogateescape"), options)
        except engine.error as error:
            reason = error.args[0] if error.args else error
            text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise ValueError(f"{self.pattern!r} is no regular expression of RE2: {text}") from error

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        try:
            self._compiled(args.where)
        except ValueError as error:
            raise args.error(str(error)) from error
        return (TensorType(DType.BOOL, args.shape(0)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        compiled, data = self._compiled(Where()), args.array(0)
        texts = [str(item).encode("utf-8", "surrogateescape") for item in data.reshape(-1).tolist()]
        found = [compiled.fullmatch(text) is not None for text in texts]
        return (np.asarray(found, np.bool_).reshape(data.shape),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(r"www\.[\w.-]+\.\bcom\b"), (_strings("www.google.com", "www.bbc.co.uk", "a www.x.com"),))
        yield Sample(cls(r"(?i)\pL{2,3}"), (_strings("äß", "ab1", "ABC", "x").reshape(2, 2),))
        yield Sample(cls(r"(a+)+|.*b"), (_strings("a" * 40, "a" * 40 + "c", "ab", ""),))


@op("string_normalizer", onnx="StringNormalizer", since=10, host_only=STRINGS)
class StringNormalizer(Op):
    """Strings without the stop words, in lower or upper case."""

    case_change_action: Literal["NONE", "LOWER", "UPPER"] = "NONE"
    is_case_sensitive: int = 0
    locale: str | None = None
    stopwords: tuple[str, ...] | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is None:
            return (TensorType(DType.STRING, None),)
        kept: Dim = unknown_dim(args, "kept") if self.stopwords else shape[-1]
        return (TensorType(DType.STRING, (*shape[:-1], kept)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        stop = set(self.stopwords or ())
        if not self.is_case_sensitive:
            stop = {word.lower() for word in stop}
        kept = [
            text
            for text in (str(item) for item in data.reshape(-1).tolist())
            if (text if self.is_case_sensitive else text.lower()) not in stop
        ] or [""]
        if self.case_change_action == "LOWER":
            kept = [text.lower() for text in kept]
        elif self.case_change_action == "UPPER":
            kept = [text.upper() for text in kept]
        return (np.asarray(kept, object).reshape(*data.shape[:-1], len(kept)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        days = _strings("monday", "Tuesday", "wednesday")
        yield Sample(cls(is_case_sensitive=1, stopwords=("monday",)), (days,))
        yield Sample(cls("UPPER", stopwords=("tuesday",)), (days.reshape(1, 3),))
        yield Sample(cls("LOWER"), (days,))


@op("tf_idf_vectorizer", onnx="TfIdfVectorizer", since=9)
class TfIdfVectorizer(Op):
    """Counts of the known n-grams in each row, with gaps of up to `max_skip_count`, weighted as `mode` says."""

    max_gram_length: int
    max_skip_count: int
    min_gram_length: int
    mode: Literal["TF", "IDF", "TFIDF"]
    ngram_counts: tuple[int, ...]
    ngram_indexes: tuple[int, ...]
    pool_int64s: tuple[int, ...] | None = None
    pool_strings: tuple[str, ...] | None = None
    weights: tuple[float, ...] | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        size = max(self.ngram_indexes, default=-1) + 1
        return (TensorType(DType.FLOAT32, None if shape is None else (*shape[:-1], size)),)

    def _known(self) -> dict[tuple[int | str, ...], int]:
        """Every n-gram of the pool with its number."""
        pool: Sequence[int | str] = self.pool_strings or self.pool_int64s or ()
        found: dict[tuple[int | str, ...], int] = {}
        ends = (*self.ngram_counts[1:], len(pool))
        for length, (start, end) in enumerate(zip(self.ngram_counts, ends, strict=True), 1):
            for at in range(start, end, length):
                found[tuple(pool[at : at + length])] = len(found)
        return found

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        made = self.counted(data.reshape(-1, data.shape[-1]))
        return (made.reshape(*data.shape[:-1], made.shape[-1]),)

    def counted(self, rows: Numbers) -> Numbers:
        """The results [rows, indexes] for rows of numbers or strings."""
        known = self._known()
        size = max(self.ngram_indexes, default=-1) + 1
        made: Numbers = np.zeros((len(rows), size), np.float32)
        for counts, row in zip(made, rows.tolist(), strict=True):
            for gram in self._grams(row):
                if gram in known:
                    counts[self.ngram_indexes[known[gram]]] += 1
        if self.mode == "IDF":
            made = np.minimum(made, np.float32(1))
        if self.mode != "TF" and self.weights is not None:
            scale: Numbers = np.ones(size, np.float32)
            scale[list(self.ngram_indexes)] = self.weights
            made = made * scale
        return made

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        data = args.tensor(0)
        if data.dtype is DType.STRING:
            return Refusal(STRINGS)
        if has_no_elements(args):
            return EMPTY
        *batch, length = data.static_shape
        rows, size = prod(batch), args.output_types[0].static_shape[-1]
        kernel = Kernel(
            (Axis("row", rows), Axis("index", size)),
            (Access((rows, length), (Affine(((0, 1),)), WHOLE)),),
            (Access((rows, size), (Affine(((0, 1),)), Affine(((1, 1),)))),),
            (data.dtype,),
            (DType.FLOAT32,),
            CountGrams(self),
        )
        return one_kernel(args, kernel)

    def comparisons(self, length: int) -> int:
        """How many numbers of the pool and of a row of this length are compared for one index."""
        lengths = range(self.min_gram_length, self.max_gram_length + 1)
        return sum(number * length * (1 if number == 1 else self.max_skip_count + 1) for number in lengths)

    def _grams(self, row: list[Any]) -> Iterable[tuple[int | str, ...]]:
        for length in range(self.min_gram_length, self.max_gram_length + 1):
            gaps = range(1, 2 if length == 1 else self.max_skip_count + 2)
            for gap in gaps:
                for start in range(len(row) - (length - 1) * gap):
                    yield tuple(row[start + number * gap] for number in range(length))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        row = np.asarray([1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8], np.int32)
        pool = (2, 3, 5, 4, 5, 6, 7, 8, 6, 7)
        yield Sample(cls(2, 0, 1, "TF", (0, 4), tuple(range(7)), pool), (row,))
        yield Sample(cls(2, 5, 2, "TF", (0, 4), tuple(range(7)), pool), (row.reshape(2, 6),))
        weights = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
        yield Sample(cls(2, 1, 1, "TFIDF", (0, 4), tuple(range(7)), pool, None, weights), (row,))


@dataclass(frozen=True, slots=True)
class CountGrams:
    """Axes (row, index): each vertex looks through its rows for the n-grams of its indexes."""

    op: TfIdfVectorizer

    @property
    def name(self) -> str:
        return "count_grams"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        compared = self.op.comparisons(kernel.reads[0].shape[-1])
        return MapWork(extents[0] * extents[1] * compared, ("compare", "logic"), kernel.read_types[0].text, fused=True)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Numbers, ...]:
        return (self.op.counted(args.reads[0])[:, args.low[1] : args.high[1]],)
