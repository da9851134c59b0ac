"""TFLite files of one operator put together by hand: operators that TensorFlow's converter writes for few models."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Given:
    """An operand that is an input of the model."""

    contents: Array


@dataclass(frozen=True, slots=True)
class State:
    """An operand that the operator changes and keeps for the next run."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Assembled:
    """An operator with its options and operands (arrays: constants; None: omitted) and the type of its result."""

    name: str
    operator: str
    operands: tuple[Given | State | Array | None, ...]
    shape: tuple[int, ...]
    dtype: Any = np.float32
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    kind: str = ""
    """The options' class, without `OptionsT`."""
    more: tuple[tuple[tuple[int, ...], Any], ...] = ()
    """Shapes and types of the results behind the first."""
    custom: str = ""
    """What a custom operator is called; its options are a map of numbers."""

    @property
    def inputs(self) -> dict[str, Array]:
        """Inputs by name."""
        return {f"x{n}": entry.contents for n, entry in enumerate(self.operands) if isinstance(entry, Given)}


_rng = np.random.default_rng(21)


def f(*shape: int, low: float = -1.0, high: float = 1.0) -> Array:
    """Floats."""
    return _rng.uniform(low, high, shape).astype(np.float32)


def all_cases() -> Iterator[Assembled]:
    """Every case, always with the same numbers."""
    global _rng
    _rng = np.random.default_rng(21)
    yield from _recurrent()
    yield from _both_directions()
    yield from _filters()
    yield from _detections()
    yield from _segments()
    x = f(2, 3, 4, low=-3, high=3)
    yield Assembled("prelu", "PRELU", (Given(x), f(1, 1, 4)), (2, 3, 4))
    yield Assembled("relu_0_to_1", "RELU_0_TO_1", (Given(x),), (2, 3, 4))
    limits = {"min": -2.0, "max": 2.5, "numBits": 8}
    yield Assembled("fake_quant", "FAKE_QUANT", (Given(x),), (2, 3, 4), options=limits, kind="FakeQuant")
    pool = {"padding": 1, "strideW": 2, "strideH": 1, "filterWidth": 2, "filterHeight": 3}
    yield Assembled("l2_pool", "L2_POOL_2D", (Given(f(1, 5, 6, 3)),), (1, 3, 3, 3), options=pool, kind="Pool2D")
    places = np.asarray([3, 0, 5], np.int32)
    yield Assembled("embedding", "EMBEDDING_LOOKUP", (Given(places), f(6, 4)), (3, 4))
    flag = _rng.random((3, 1)) < 0.5
    yield Assembled("select_v2", "SELECT_V2", (Given(flag), Given(f(3, 4)), Given(f(4))), (3, 4), kind="SelectV2")


def _recurrent() -> Iterator[Assembled]:
    steps, batch, size, width = 12, 2, 3, 4

    def layer(first: int) -> tuple[Array, ...]:
        return tuple(f(width, first) for _ in range(4))

    for name, time_major, clip, scale in (("plain", 0, 0.0, 1), ("clipped", 1, 0.5, 1), ("wide", 0, 10.0, 9)):
        shape = (steps, batch, size) if time_major else (batch, steps, size)
        biases = tuple(f(width) for _ in range(4))
        states = (State((batch, width)), State((batch, width)))
        operands = (Given(scale * f(*shape)), *layer(size), *layer(width), None, None, None, *biases, None, None)
        yield Assembled(
            f"lstm_{name}",
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            (*operands, *states, None, None, None, None),
            (*shape[:2], width),
            options={"fusedActivationFunction": 4, "cellClip": clip, "timeMajor": time_major},
            kind="UnidirectionalSequenceLSTM",
        )
    for activation, time_major in ((4, 0), (1, 1), (0, 0)):
        shape = (steps, batch, size) if time_major else (batch, steps, size)
        weights = (f(width, size), 0.5 * f(width, width), f(width))
        yield Assembled(
            f"rnn_{activation}",
            "UNIDIRECTIONAL_SEQUENCE_RNN",
            (Given(f(*shape)), *weights, State((batch, width))),
            (*shape[:2], width),
            options={"fusedActivationFunction": activation, "timeMajor": time_major},
            kind="SequenceRNN",
        )


def _both_directions() -> Iterator[Assembled]:
    steps, batch, size, width = 9, 2, 3, 4

    def layer() -> tuple[Array | None, ...]:
        weights = (f(width, size) for _ in range(4)), (f(width, width) for _ in range(4))
        return *weights[0], *weights[1], None, None, None, *(f(width) for _ in range(4)), None, None

    for merged, time_major, clip in ((True, 1, 0.0), (False, 0, 0.4), (True, 0, 0.0)):
        shape = (steps, batch, size) if time_major else (batch, steps, size)
        states = tuple(State((batch, width)) for _ in range(4))
        made = (*shape[:2], 2 * width if merged else width)
        more = () if merged else ((made, np.float32),)
        options = {"fusedActivationFunction": 4, "cellClip": clip, "timeMajor": time_major, "mergeOutputs": merged}
        if time_major or not merged:  # else TensorFlow Lite's kernel answers something else on every run
            yield Assembled(
                f"both_lstm_{int(merged)}{time_major}", "BIDIRECTIONAL_SEQUENCE_LSTM",
                (Given(f(*shape)), *layer(), *layer(), *states, *(None,) * 9),
                made, options=options, kind="BidirectionalSequenceLSTM", more=more,
            )  # fmt: skip
        cells = [(f(width, size), 0.5 * f(width, width), f(width), State((batch, width))) for _ in range(2)]
        options = {"fusedActivationFunction": 4, "timeMajor": time_major, "mergeOutputs": merged}
        yield Assembled(
            f"both_rnn_{int(merged)}{time_major}", "BIDIRECTIONAL_SEQUENCE_RNN",
            (Given(f(*shape)), *cells[0], *cells[1], None, None, None),
            made, options=options, kind="BidirectionalSequenceRNN", more=more,
        )  # fmt: skip


def _filters() -> Iterator[Assembled]:
    for rank, activation, bias in ((1, 0, f(6)), (2, 1, None), (3, 1, f(2))):
        operands = (Given(f(2, 5)), f(6, 5), f(6, 4), bias, State((2, 24)))
        options = {"rank": rank, "fusedActivationFunction": activation}
        yield Assembled(f"svdf_{rank}", "SVDF", operands, (2, 6 // rank), options=options, kind="SVDF")


def _detections() -> Iterator[Assembled]:
    count, classes = 40, 3
    anchors = np.concatenate([f(count, 2, low=0.2, high=0.8), f(count, 2, low=0.1, high=0.5)], 1)
    scales = {"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}
    for name, background, most, shown, least, regular in (
        ("fast", 1, 5, 1, 0.5, False), ("fast_shown", 0, 4, 2, 0.1, False),
        ("regular", 1, 6, 1, 0.4, True), ("regular_few", 0, 30, 1, 0.85, True),
    ):  # fmt: skip
        options = {
            **scales, "max_detections": most, "max_classes_per_detection": shown, "use_regular_nms": regular,
            "nms_score_threshold": least, "nms_iou_threshold": 0.4, "num_classes": classes, "detections_per_class": 7,
        }  # fmt: skip
        scores = f(1, count, classes + background, low=0)
        total = most * shown
        yield Assembled(
            f"detections_{name}", "CUSTOM", (Given(f(1, count, 4)), Given(scores), anchors), (1, total, 4),
            options=options, custom="TFLite_Detection_PostProcess",
            more=(((1, total), np.float32), ((1, total), np.float32), ((1,), np.float32)),
        )  # fmt: skip


def _segments() -> Iterator[Assembled]:
    segments, count = np.asarray([2, 0, 2, 4, 0], np.int32), np.asarray(5, np.int32)
    for kind in ("SUM", "PROD", "MAX", "MIN"):
        name = f"UNSORTED_SEGMENT_{kind}"
        yield Assembled(name.lower(), name, (Given(f(5, 3)), Given(segments), count), (5, 3))


# -- putting a file together --------------------------------------------------------------------------------------

_TYPES = {"float32": 0, "int32": 2, "int64": 4, "bool": 6}


def assembled(case: Assembled) -> bytes:
    """The TFLite file of a case."""
    schema: Any = importlib.import_module("tensorflow.lite.python.schema_py_generated")
    flatbuffers: Any = importlib.import_module("flatbuffers")
    model: Any = schema.ModelT()
    graph: Any = schema.SubGraphT()
    model.version, model.description, model.buffers = 3, "assembled", [schema.BufferT()]
    tensors: list[Any] = []
    graph.tensors = tensors

    def tensor(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), _TYPES[np.dtype(dtype).name], 0
        tensors.append(made)
        return made

    numbers = [_operand(schema, model, graph, tensor, n, entry) for n, entry in enumerate(case.operands)]
    for number, (shape, dtype) in enumerate(((case.shape, case.dtype), *case.more)):
        tensor(f"y{number}" if case.more else "y", shape, dtype)
    results = list(range(len(tensors) - 1 - len(case.more), len(tensors)))
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, case.operator)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, numbers, results
    if case.custom:
        code.customCode, operator.customOptions = case.custom, _as_map(case.options)
    if case.kind:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{case.kind}Options")
        operator.builtinOptions = getattr(schema, f"{case.kind}OptionsT")()
        for name, value in case.options.items():
            setattr(operator.builtinOptions, name, value)
    given = [number for number, entry in zip(numbers, case.operands, strict=True) if isinstance(entry, Given)]
    graph.inputs, graph.outputs, graph.operators = given, results, [operator]
    model.operatorCodes, model.subgraphs = [code], [graph]
    model.signatureDefs = [_signature(schema, graph)]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _as_map(options: dict[str, Any]) -> NDArray[np.uint8]:
    """Options as a FlexBuffer."""
    flexbuffers: Any = importlib.import_module("flatbuffers.flexbuffers")
    return np.frombuffer(flexbuffers.Dumps(options), np.uint8)


def _operand(schema: Any, model: Any, graph: Any, tensor: Any, number: int, entry: Any) -> int:
    """The number of an operand's tensor; -1 for one that is omitted."""
    match entry:
        case None:
            return -1
        case Given(contents):
            tensor(f"x{number}", contents.shape, contents.dtype)
        case State(shape):
            tensor(f"state{number}", shape, np.float32).isVariable = True
        case contents:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(contents.tobytes(), np.uint8)
            model.buffers.append(buffer)
            tensor(f"c{number}", contents.shape, contents.dtype).buffer = len(model.buffers) - 1
    return len(graph.tensors) - 1


def _signature(schema: Any, graph: Any) -> Any:
    """Names by which a program calls the graph."""

    def named(numbers: list[int]) -> list[Any]:
        found: list[Any] = []
        for number in numbers:
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = graph.tensors[number].name, number
            found.append(entry)
        return found

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = named(graph.inputs), named(graph.outputs)
    return signature
