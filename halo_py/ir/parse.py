"""Reads the text form of graphs back (the grammar is `ir.lark`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from halo_py.errors import HaloError, ModelError, Where
from halo_py.ir.encode import attribute_classes
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.op import REGISTRY, Op
from halo_py.ir.text import default_place
from halo_py.types import Dim, DType, OptionalType, SequenceType, TensorType, Type, linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

Branch = Tree[Token]
Classes = Mapping[str, type[Any]]

_WORDS: dict[str, object] = {"none": None, "true": True, "false": False, "inf": float("inf"), "nan": float("nan")}


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("ir.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", start="module", propagate_positions=True, maybe_placeholders=False)


def parse_graph(text: str, contents: Mapping[str, Array] | None = None) -> Graph:
    """The graph that this text describes. `contents` maps digests to the contents of elided constants.

    Raises ModelError, with line, column and a caret, for text that is not a graph.
    """
    try:
        tree = _parser().parse(text)  # pyright: ignore[reportUnknownMemberType]
    except UnexpectedInput as error:
        raise ModelError(f"line {error.line}, column {error.column}:\n{error.get_context(text)}") from None
    file: str | None = None
    for child in _branches(tree):
        if child.data == "file":
            file = _text(_tokens(child)[0])
    reader = _Reader(text, file, contents or {})
    return reader.graph(_branches(tree)[-1])


def _branches(tree: Branch) -> list[Branch]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _tokens(tree: Branch) -> list[Token]:
    return [child for child in tree.children if isinstance(child, Token)]


def _text(token: Token) -> str:
    return str(json.loads(str(token)))


def _value_name(token: Token) -> str:
    return json.loads(token[1:]) if token.startswith('%"') else str(token[1:])


class _Reader:
    def __init__(self, text: str, file: str | None, contents: Mapping[str, Array]) -> None:
        self.text, self.file, self.contents = text, file, contents

    def fail(self, message: str, at: Branch | Token) -> ModelError:
        """An error that shows the line and a caret."""
        line = at.line if isinstance(at, Token) else at.meta.line
        column = at.column if isinstance(at, Token) else at.meta.column
        source = self.text.splitlines()[(line or 1) - 1]
        return ModelError(f"line {line}, column {column}: {message}\n{source}\n{' ' * ((column or 1) - 1)}^")

    def graph(self, tree: Branch) -> Graph:
        scope: dict[str, Value] = {}
        inputs: list[Value] = []
        constants: dict[Value, Array] = {}
        nodes: list[Node] = []
        states: list[StateUpdate] = []
        outputs: list[tuple[str, Value]] = []
        for part in _branches(tree):
            match str(part.data):
                case "param":
                    inputs.append(self.define(part, scope))
                case "constant":
                    value = self.define(part, scope)
                    constants[value] = self.constant(part, value.type)
                case "node":
                    nodes.append(self.node(part, scope))
                case "state":
                    state, updated = (self.use(token, scope) for token in _tokens(part))
                    states.append(StateUpdate(state, updated))
                case _:
                    name, token = _tokens(part)
                    outputs.append((_text(name), self.use(token, scope)))
        return Graph(
            _text(_tokens(tree)[0]),
            tuple(inputs),
            tuple(value for _, value in outputs),
            tuple(nodes),
            constants,
            tuple(states),
            tuple(name for name, _ in outputs),
        )

    def define(self, tree: Branch, scope: dict[str, Value]) -> Value:
        token = _tokens(tree)[0]
        value = Value(_value_name(token), self.type(_branches(tree)[0]))
        if value.name in scope:
            raise self.fail(f"%{value.name} is defined twice", token)
        scope[value.name] = value
        return value

    def use(self, token: Token, scope: Mapping[str, Value]) -> Value:
        found = scope.get(_value_name(token))
        if found is None:
            raise self.fail(f"{token} is used before its definition", token)
        return found

    def constant(self, tree: Branch, type: Type) -> Array:
        contents = _branches(tree)[1]
        if not isinstance(type, TensorType) or not type.is_static:
            raise self.fail("a constant is a tensor of known shape", tree)
        if contents.data == "elided":
            digest = str(_tokens(contents)[0])
            if digest not in self.contents:
                raise self.fail(f"the contents with digest {digest} were not given", contents)
            return self.contents[digest]
        literal = self.literal(contents, {})
        try:
            return np.asarray(literal).astype(type.dtype.numpy).reshape(type.static_shape)
        except (ValueError, TypeError) as error:
            raise self.fail(f"the contents do not fit {type}: {error}", contents) from None

    def node(self, tree: Branch, scope: dict[str, Value]) -> Node:
        parts = _branches(tree)
        tokens = _tokens(tree)
        inputs = tuple(
            self.use(_tokens(part)[0], scope) if part.data == "given" else None
            for part in parts
            if part.data in ("given", "omitted")
        )
        bodies = tuple(self.graph(part) for part in parts if part.data == "graph")
        op = self.op(tokens[0], next((part for part in parts if part.data == "attributes"), None))
        outputs = tuple(self.define(part, scope) for part in parts if part.data == "param")
        name = _text(tokens[1]) if len(tokens) > 1 else outputs[0].name
        place = next((part for part in parts if part.data == "place"), None)
        where = default_place(name, op.declaration.onnx, op.kind, self.file) if place is None else self.place(place)
        return Node(op, inputs, outputs, name, bodies, where)

    def place(self, tree: Branch) -> Where:
        file, node, op, *merged = (self.literal(part, {}) for part in _branches(tree))
        return Where(file, node, op, merged[0] if merged else ())

    def op(self, token: Token, attributes: Branch | None) -> Op:
        cls = REGISTRY.by_name.get(str(token))
        if cls is None:
            raise self.fail(f"unknown op {token}", token)
        return cast("Op", self.make(cls, attributes, attribute_classes(cls), token))

    def make(
        self, cls: type[Any], attributes: Branch | None, classes: Mapping[str, type[Any]], at: Branch | Token
    ) -> Any:
        """A dataclass from `name=literal` attributes."""
        given: dict[str, object] = {}
        known = {entry.name for entry in fields(cls)}
        for part in _branches(attributes) if attributes else []:
            token = _tokens(part)[0]
            if token not in known:
                raise self.fail(f"{cls.__name__} has no attribute {token}", token)
            given[str(token)] = self.literal(_branches(part)[0], classes)
        try:
            return cls(**given)
        except HaloError:
            raise
        except (TypeError, ValueError) as error:
            raise self.fail(f"{cls.__name__}: {error}", at) from None

    def literal(self, tree: Branch, classes: Classes) -> Any:
        match str(tree.data):
            case "number":
                text = str(tree.children[0])
                return float(text) if any(mark in text for mark in ".enf") or "E" in text else int(text)
            case "text":
                return _text(_tokens(tree)[0])
            case "word":
                return self.word(_tokens(tree)[0])
            case "sequence_literal":
                return tuple(self.literal(child, classes) for child in _branches(tree))
            case _:
                token = _tokens(tree)[0]
                cls = classes.get(str(token))
                if cls is None:
                    raise self.fail(f"{token} is not a kind of attribute value here", token)
                return self.make(cls, tree, classes, token)

    def word(self, token: Token) -> object:
        if token in _WORDS:
            return _WORDS[token]
        return self.dtype(token)

    def dtype(self, token: Token) -> DType:
        try:
            return DType.from_text(str(token))
        except KeyError:
            raise self.fail(f"{token} is no element type", token) from None

    def type(self, tree: Branch) -> Type:
        match str(tree.data):
            case "sequence":
                return SequenceType(self.type(_branches(tree)[0]))
            case "optional":
                return OptionalType(self.type(_branches(tree)[0]))
            case "unranked":
                return TensorType(self.dtype(_tokens(tree)[0]), None)
            case _:
                return TensorType(self.dtype(_tokens(tree)[0]), tuple(_dim(child) for child in _branches(tree)))


def _dim(tree: Branch) -> Dim:
    constant, terms, sign = 0, dict[str, int](), 1
    for child in tree.children:
        if isinstance(child, Token):
            sign = -1 if child == "-" else 1
            continue
        factor = sign
        name: str | None = None
        for token in _tokens(child):
            if token.type == "INTEGER":
                factor *= int(token)
            else:
                name = _text(token) if token.type == "STRING" else str(token)
        if name is None:
            constant += factor
        else:
            terms[name] = terms.get(name, 0) + factor
    return linear(constant, terms)
