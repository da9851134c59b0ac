"""Small SavedModels: variables, functions that call functions, and how older versions of TensorFlow saved them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Save = Callable[[str, Arrays], Arrays]
"""Saves a model in a folder and answers TensorFlow's outputs by name, in the order of their names."""

_rng = np.random.default_rng(5)


def f(*shape: int) -> NDArray[Any]:
    """Floats."""
    return _rng.uniform(-2, 2, shape).astype(np.float32)


def all_modules(tf: Any) -> Iterator[tuple[str, Save, Arrays]]:
    """Name, how it is saved, and inputs of every module."""
    global _rng
    _rng = np.random.default_rng(5)
    x = {"x": f(3, 4)}
    for build in (_counted, _dense, _nested_calls, _recursive_structure, _stateful_branches, _stateful_loop):
        yield f"module{build.__name__}", _saved(tf, build(tf)), x
    places = {"places": _rng.integers(0, 6, (2, 3)).astype(np.int32)}
    yield "module_lookup", _saved(tf, _lookup(tf)), places
    yield "module_lists", _saved(tf, _lists(tf)), {"x": f(3, 4)}
    for name, resource in (("old_variables", False), ("old_resources", True)):
        yield f"module_{name}", _old_saved(tf, use_resource=resource), {"x": f(3, 4)}


def _saved(tf: Any, module: Any) -> Save:
    def save(folder: str, inputs: Arrays) -> Arrays:
        specs = [tf.TensorSpec(array.shape, array.dtype, name=name) for name, array in inputs.items()]
        tf.saved_model.save(module, folder, signatures=module.run.get_concrete_function(*specs))
        loaded = tf.saved_model.load(folder).signatures["serving_default"]
        results = loaded(**{name: tf.constant(array) for name, array in inputs.items()})
        return {name: results[name].numpy() for name in sorted(results)}

    return save


def _module(tf: Any, run: Callable[..., Any], **variables: Any) -> Any:
    """A module of these variables whose function is `run(variables, *inputs)`."""
    module = tf.Module()
    for name, contents in variables.items():
        setattr(module, name, tf.Variable(contents, name=name))

    def called(*given: Any) -> Any:
        return run(module, *given)

    module.run = tf.function(called)
    return module


def _dense(tf: Any) -> Any:
    def run(m: Any, x: Any) -> Any:
        return {"y": tf.nn.relu(x @ m.kernel + m.bias), "size": tf.raw_ops.VariableShape(input=m.kernel.handle)}

    return _module(tf, run, kernel=f(4, 5), bias=f(5))


def _counted(tf: Any) -> Any:
    """A variable that every run changes and no output depends on, like the seed of a dropout layer."""

    def run(m: Any, x: Any) -> Any:
        m.runs.assign_add(1.0)
        return {"y": x @ m.kernel}

    return _module(tf, run, kernel=f(4, 5), runs=np.float32(0))


def _nested_calls(tf: Any) -> Any:
    def inner(m: Any, x: Any) -> Any:
        return x @ m.kernel, x - 1

    def run(m: Any, x: Any) -> Any:
        def bound(x: Any) -> Any:
            return inner(m, x)

        step = tf.function(bound)
        once, less = step(x)
        twice, _ = step(once)
        return {"once": less, "twice": twice}

    return _module(tf, run, kernel=f(4, 4))


def _recursive_structure(tf: Any) -> Any:
    """The same function called at several depths."""

    def run(m: Any, x: Any) -> Any:
        def scale(x: Any) -> Any:
            return x * m.scale

        scaled = tf.function(scale)

        def twice(x: Any) -> Any:
            return scaled(x) + scaled(scaled(x))

        return {"y": tf.function(twice)(x) + scaled(x)}

    return _module(tf, run, scale=f(4))


def _stateful_branches(tf: Any) -> Any:
    """Branches that read variables are stateful."""

    def run(m: Any, x: Any) -> Any:
        chosen = tf.cond(tf.reduce_sum(x) > 0, lambda: x * m.left, lambda: x - m.right)
        number = tf.cast(tf.reduce_max(x) > 100, tf.int32)
        cased = tf.switch_case(number, [lambda: x + m.left, lambda: x + m.right])
        return {"cased": cased, "chosen": chosen}

    return _module(tf, run, left=f(4), right=f(4))


def _stateful_loop(tf: Any) -> Any:
    def run(m: Any, x: Any) -> Any:
        def body(n: Any, y: Any) -> Any:
            return n + 1, tf.tanh(y @ m.kernel) + x

        return {"y": tf.while_loop(_below_four, body, [0, x])[1]}

    return _module(tf, run, kernel=f(4, 4))


def _below_four(n: Any, _y: Any) -> Any:
    return n < 4


def _lookup(tf: Any) -> Any:
    def run(m: Any, places: Any) -> Any:
        found = tf.raw_ops.ResourceGather(resource=m.table.handle, indices=places, dtype=tf.float32)
        return {"y": found, "z": tf.nn.embedding_lookup(m.table, places) * 2}

    return _module(tf, run, table=f(6, 3))


def _lists(tf: Any) -> Any:
    raw = tf.raw_ops

    def run(m: Any, x: Any) -> Any:
        made = raw.TensorListReserve(element_shape=[4], num_elements=5, element_dtype=tf.float32)
        made = raw.TensorListScatterIntoExistingList(input_handle=made, tensor=x, indices=[4, 0, 2])
        whole = raw.TensorListStack(input_handle=made, element_shape=[4], element_dtype=tf.float32)
        return {"y": whole + m.bias}

    return _module(tf, run, bias=f(4))


def _old_saved(tf: Any, *, use_resource: bool) -> Save:
    """A graph of version 1 with variables, a choice and a loop."""
    old = tf.compat.v1
    kernel, bias = f(4, 4), f(4)

    def save(folder: str, inputs: Arrays) -> Arrays:
        old.disable_control_flow_v2()
        with tf.Graph().as_default() as graph:
            x = old.placeholder(tf.float32, inputs["x"].shape, name="x")
            w = old.get_variable("kernel", initializer=kernel, use_resource=use_resource)
            b = old.get_variable("bias", initializer=bias, use_resource=use_resource)

            def step(n: Any, y: Any) -> Any:
                return n + 1, tf.tanh(y @ w) + b

            looped = old.while_loop(_below_four, step, [0, x])[1]
            chosen = old.cond(tf.reduce_sum(x) > 0, lambda: looped @ w, lambda: looped - b)
            outputs = {"chosen": tf.identity(chosen), "looped": tf.identity(looped)}
            with old.Session(graph=graph) as session:
                session.run(old.global_variables_initializer())
                old.saved_model.simple_save(session, folder, {"x": x}, outputs)
                found = session.run(outputs, {x: inputs["x"]})
        old.enable_control_flow_v2()
        return found

    return save
