"""Small programs of several operators: control flow, lists of tensors, calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Program = tuple[str, Callable[..., Any], dict[str, NDArray[Any]]]


def below(limit: Any) -> Callable[..., Any]:
    """The condition of a loop: its first variable is below a limit."""

    def test(number: Any, *_others: Any) -> Any:
        return number < limit

    return test


def counting(step: Callable[[Any], Any]) -> Callable[..., Any]:
    """The body of a loop of a counter and one other variable."""

    def body(number: Any, value: Any) -> Any:
        return number + 1, step(value)

    return body


def all_programs(tf: Any) -> Iterator[Program]:
    """Name, function and inputs of every program."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((3, 4)).astype(np.float32)
    rows = rng.standard_normal((6, 2, 4)).astype(np.float32)
    yield from _branches(tf, x)
    yield from _loops(tf, x)
    yield from _more_loops(tf, x, rows)
    yield from _lists(tf, x, rows)


def old_programs(tf: Any) -> Iterator[Program]:
    """Those that are built in a graph of version 1, without functions."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((3, 4)).astype(np.float32)
    rows = rng.standard_normal((6, 2, 4)).astype(np.float32)
    yield from _old_control(tf, x)
    yield from _old_rows(tf, rows)
    yield "array", _old_array(tf), {"rows": rows}


def _branches(tf: Any, x: NDArray[Any]) -> Iterator[Program]:
    def choose(x: Any, flag: Any) -> Any:
        return tf.cond(flag, lambda: x * 2, lambda: tf.nn.relu(x) - 1)

    def switch(x: Any, number: Any) -> Any:
        return tf.switch_case(number, [lambda: x + 1, lambda: x * x])

    def known(x: Any) -> Any:
        return tf.cond(tf.constant(True), lambda: x + 3, lambda: x)

    def asserting(x: Any) -> Any:
        with tf.control_dependencies([tf.debugging.Assert(tf.shape(x)[0] > 2, [x])]):
            return x + 1

    def default(x: Any) -> Any:
        return x + tf.raw_ops.PlaceholderWithDefault(input=[1.0, 2, 3, 4], shape=[4])

    def twice(y: Any) -> Any:
        return y * 2, y - 1

    def calling(x: Any) -> Any:
        inner = tf.function(twice)
        return inner(inner(x)[0])

    for flag in (True, False):
        yield f"if_{flag}", choose, {"x": x, "flag": np.asarray(flag)}
    for number in (0, 1, 5):
        yield f"case_{number}", switch, {"x": x, "number": np.asarray(number, np.int32)}
    for program in (known, asserting, default, calling):
        yield program.__name__, program, {"x": x}


def _loops(tf: Any, x: NDArray[Any]) -> Iterator[Program]:
    def counted(x: Any) -> Any:
        def step(y: Any) -> Any:
            return tf.sin(y) + x

        return tf.while_loop(below(5), counting(step), [0, x])[1]

    def by_data(x: Any) -> Any:
        return tf.while_loop(_sum_below_50(tf), _doubled(tf), [x])[0]

    def growing(x: Any) -> Any:
        def step(y: Any) -> Any:
            return tf.concat([y, x], 0)

        shapes = [tf.TensorShape([]), tf.TensorShape([None, 4])]
        return tf.while_loop(below(3), counting(step), [0, x], shape_invariants=shapes)[1]

    for program in (counted, by_data, growing):
        yield f"while_{program.__name__}", program, {"x": x}


def _more_loops(tf: Any, x: NDArray[Any], rows: NDArray[Any]) -> Iterator[Program]:
    def nested(x: Any) -> Any:
        def step(z: Any) -> Any:
            return z * 0.5 + x

        def outer(n: Any, y: Any) -> Any:
            return n + 1, tf.while_loop(below(n), counting(step), [0, y])[1]

        return tf.while_loop(below(4), outer, [0, x])[1]

    def downwards(x: Any) -> Any:
        def above(n: Any, _y: Any) -> Any:
            return n > 1

        def body(n: Any, y: Any) -> Any:
            return n - 2, y + tf.cast(n, tf.float32)

        return tf.while_loop(above, body, [9, x])

    def scan(rows: Any) -> Any:
        def step(a: Any, row: Any) -> Any:
            return a * 0.5 + row

        return tf.scan(step, rows)

    def mapped(rows: Any) -> Any:
        def each(row: Any) -> Any:
            return tf.tanh(row) @ tf.transpose(row)

        return tf.map_fn(each, rows)

    for program in (nested, downwards):
        yield f"while_{program.__name__}", program, {"x": x}
    for program in (scan, mapped):
        yield program.__name__, program, {"rows": rows}


def _sum_below_50(tf: Any) -> Callable[..., Any]:
    def test(y: Any) -> Any:
        return tf.reduce_sum(y) < 50

    return test


def _doubled(tf: Any) -> Callable[..., Any]:
    def body(y: Any) -> Any:
        return [tf.abs(y) * 2]

    return body


def _lists(tf: Any, x: NDArray[Any], rows: NDArray[Any]) -> Iterator[Program]:
    raw = tf.raw_ops

    def stacked(rows: Any) -> Any:
        made = raw.TensorListFromTensor(tensor=rows, element_shape=[2, 4])
        made = raw.TensorListSetItem(input_handle=made, index=2, item=rows[0] * 3)
        first = raw.TensorListGetItem(input_handle=made, index=1, element_shape=[2, 4], element_dtype=tf.float32)
        whole = raw.TensorListStack(input_handle=made, element_shape=[2, 4], element_dtype=tf.float32)
        shape = raw.TensorListElementShape(input_handle=made, shape_type=tf.int32)
        return first, whole, raw.TensorListLength(input_handle=made), shape

    def pushed(x: Any) -> Any:
        made = raw.EmptyTensorList(element_shape=[4], max_num_elements=-1, element_dtype=tf.float32)
        for number in range(3):
            made = raw.TensorListPushBack(input_handle=made, tensor=x[number])
        made, last = raw.TensorListPopBack(input_handle=made, element_shape=[4], element_dtype=tf.float32)
        return last, raw.TensorListStack(input_handle=made, element_shape=[4], element_dtype=tf.float32)

    def gathered(rows: Any) -> Any:
        made = raw.TensorListScatterV2(tensor=rows[:3], indices=[4, 0, 2], element_shape=[2, 4], num_elements=5)
        found = raw.TensorListGather(input_handle=made, indices=[0, 4], element_shape=[2, 4], element_dtype=tf.float32)
        joined = raw.TensorListConcatV2(
            input_handle=raw.TensorListFromTensor(tensor=rows, element_shape=[2, 4]),
            element_shape=[2, 4], leading_dims=tf.zeros(0, tf.int64), element_dtype=tf.float32,
        )  # fmt: skip
        return found, joined.tensor

    def reserved(x: Any) -> Any:
        made = tf.TensorArray(tf.float32, 5)
        made = made.write(1, x).write(3, x * 2)
        return made.stack(), made.size()

    for program, given in ((stacked, rows), (pushed, x), (gathered, rows), (reserved, x)):
        yield f"list_{program.__name__}", program, {"x": given}


def _old_control(tf: Any, x: NDArray[Any]) -> Iterator[Program]:
    cond, loop = tf.compat.v1.cond, tf.compat.v1.while_loop

    def choose(x: Any, flag: Any) -> Any:
        return cond(flag, lambda: x * 2, lambda: tf.nn.relu(x) - 1)

    def nested(x: Any, flag: Any) -> Any:
        def inner() -> Any:
            return cond(tf.reduce_sum(x) > 0, lambda: x + 5, lambda: x - 5)

        return cond(flag, inner, lambda: x * x)

    def known(x: Any) -> Any:
        return cond(tf.constant(False), lambda: x, lambda: x + 7)

    def counted(x: Any) -> Any:
        def step(y: Any) -> Any:
            return tf.sin(y) + x

        return loop(below(5), counting(step), [0, x])

    def loop_in_loop(x: Any) -> Any:
        def step(z: Any) -> Any:
            return z * 0.5 + x

        def outer(n: Any, y: Any) -> Any:
            return n + 1, loop(below(2), counting(step), [0, y])[1]

        return loop(below(3), outer, [0, x])

    def by_data(x: Any) -> Any:
        return loop(_sum_below_50(tf), _doubled(tf), [x])

    for flag in (True, False):
        for program in (choose, nested):
            yield f"{program.__name__}_{flag}", program, {"x": x, "flag": np.asarray(flag)}
    for program in (known, counted, loop_in_loop, by_data):
        yield program.__name__, program, {"x": x}


def _old_rows(tf: Any, rows: NDArray[Any]) -> Iterator[Program]:
    """Loops over the rows of arrays, and a choice in a loop."""
    cond, loop = tf.compat.v1.cond, tf.compat.v1.while_loop

    def recurrent(rows: Any) -> Any:
        def step(state: Any, row: Any) -> Any:
            return tf.tanh(state @ tf.ones((4, 4)) * 0.3 + row)

        return tf.scan(step, rows, initializer=tf.zeros((2, 4)))

    def mapped(rows: Any) -> Any:
        def each(row: Any) -> Any:
            return tf.reduce_max(row, 1), row[0] * 2

        return tf.map_fn(each, rows, fn_output_signature=(tf.float32, tf.float32))

    def choosing(rows: Any) -> Any:
        def body(n: Any, y: Any) -> Any:
            row = tf.gather(rows, n)
            return n + 1, cond(tf.reduce_sum(row) > 0, lambda: y + row, lambda: y * 0.5)

        return loop(below(6), body, [0, rows[0]])[1]

    def control_only(rows: Any) -> Any:
        checked = tf.compat.v1.assert_equal(tf.shape(rows)[0], 6)
        with tf.control_dependencies([checked]):
            return rows + 1

    for program in (recurrent, mapped, choosing, control_only):
        yield program.__name__, program, {"rows": rows}


def _old_array(tf: Any) -> Callable[..., Any]:
    raw = tf.raw_ops

    def array(rows: Any) -> Any:
        made = raw.TensorArrayV3(size=6, dtype=tf.float32, element_shape=[2, 4], clear_after_read=False)
        others = tf.constant([0, 1, 3, 4, 5])
        flow = raw.TensorArrayScatterV3(handle=made.handle, indices=others, value=rows[:5], flow_in=made.flow)
        flow = raw.TensorArrayWriteV3(handle=made.handle, index=2, value=rows[0] * 3, flow_in=flow)
        read = raw.TensorArrayReadV3(handle=made.handle, index=2, flow_in=flow, dtype=tf.float32)
        found = raw.TensorArrayGatherV3(
            handle=made.handle, indices=[5, 2], flow_in=flow, dtype=tf.float32, element_shape=[2, 4]
        )
        return read, found, raw.TensorArraySizeV3(handle=made.handle, flow_in=flow)

    return array
