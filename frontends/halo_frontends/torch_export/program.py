"""An exported program as a function in the syntax of TorchScript, which one interpreter then reads.

Values are variables named after the file's own with a `%` in front, those of the graphs that control flow nests with
the graph's name too. `cond` becomes an `if`, `while_loop` a `while`; graphs that only wrap nodes are put in place.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from halo_frontends.torch_export.document import Element
from halo_frontends.torch_export.payloads import dtype_of
from halo_frontends.torch_export.targets import CHECKS, HIGHER_ORDER, op_name
from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.objects import NUMBERS
from halo_py.errors import ModelError

RECORDS = "models/"
"""Programs are the JSON records of this folder."""
_DEEPEST = 40
NONE = syntax.Name(("None",), 0)
_MEMORY_FORMATS = {0: 0, 1: 0, 2: 2, 3: 3, 4: 1}
"""MemoryFormat of the schema -> that of c10 (contiguous, preserve, channels last, channels last in 3D)."""


@dataclass(slots=True)
class Translator:
    """Turns graphs of the schema into statements."""

    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _depth: int = 0

    def graph(self, graph: Element, scope: str) -> list[syntax.Statement]:
        """The nodes of a graph as statements, with its names in this scope. Raises ModelError."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ModelError(f"its graphs are nested more than {_DEEPEST} deep", graph.place)
        found: list[syntax.Statement] = []
        for number, node in enumerate(graph["nodes"]):
            found += self._node(node, scope, number)
        self._depth -= 1
        return found

    def argument(self, item: Element, scope: str) -> syntax.Expression:
        """An argument as an expression. Raises ModelError for what is none."""
        kind, entry = item.variant()
        read = _READERS.get(kind)
        if read is None:
            raise item.wrong(f"is of the kind {kind!r}, which is not known")
        return read(self, entry, scope)

    def _node(self, node: Element, scope: str, number: int) -> Iterable[syntax.Statement]:
        op = op_name(node["target"].text)
        if op in CHECKS:
            return []
        outputs = list(node["outputs"])
        if op.startswith(HIGHER_ORDER) and op in _HIGHER_ORDER:
            arguments = [entry["arg"] for entry in node["inputs"]]
            return _HIGHER_ORDER[op](self, arguments, outputs, scope, number)
        call = self._call(op, node, scope, number)
        return self._assigned(outputs, call, scope, number)

    def _call(self, op: str, node: Element, scope: str, number: int) -> syntax.Call:
        placed: list[syntax.Expression] = []
        named: list[tuple[str, syntax.Expression]] = []
        for entry in node["inputs"]:
            kind = entry.get("kind")
            if kind is not None and kind.integer == 2:
                named.append((entry["name"].text, self.argument(entry["arg"], scope)))
            elif "as_graph" not in dict(entry["arg"].items()):
                placed.append(self.argument(entry["arg"], scope))
        space, _, name = op.partition("::")
        function = syntax.Name(("torch", name) if space == "aten" else ("ops", space, name), number)
        return syntax.Call(function, tuple(placed), tuple(named), number, _module_of(node))

    # -- results --------------------------------------------------------------------------------------------------

    def _assigned(
        self, outputs: Sequence[Element], value: syntax.Expression, scope: str, number: int
    ) -> list[syntax.Statement]:
        """The results of a node as variables."""
        if len(outputs) == 1:
            kind, entry = outputs[0].variant()
            if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints"):
                return [self._unpacked(list(entry), value, scope, number)]
            return [syntax.Assign((self._target(outputs[0], scope),), False, value, number)]
        if not outputs:
            return [syntax.Assign((), False, value, number)]
        targets: list[syntax.Expression] = []
        after: list[syntax.Statement] = []
        for output in outputs:
            kind, entry = output.variant()
            if kind == "as_tensors":
                whole = self._temporary(number)
                targets.append(whole)
                after.append(self._unpacked(list(entry), whole, scope, number))
            else:
                targets.append(self._target(output, scope))
        return [syntax.Assign(tuple(targets), True, value, number), *after]

    def _unpacked(
        self, entries: Sequence[Element], value: syntax.Expression, scope: str, number: int
    ) -> syntax.Statement:
        return syntax.Assign(tuple(self._named(entry, scope) for entry in entries), True, value, number)

    def _target(self, output: Element, scope: str) -> syntax.Name:
        kind, entry = output.variant()
        return self._temporary(0) if kind == "as_none" else self._named(entry, scope)

    def _named(self, entry: Element, scope: str) -> syntax.Name:
        """The variable that an output gives a value; an optional one that is absent gives it to no one."""
        fields = dict(entry.items())
        if "as_tensor" in fields:
            return self._named(fields["as_tensor"], scope)
        name = fields.get("name") or fields.get("as_name")
        return self._temporary(0) if name is None else variable(name.text, scope)

    def _temporary(self, number: int) -> syntax.Name:
        return syntax.Name((f"%%{next(self._numbers)}",), number)

    # -- control flow ---------------------------------------------------------------------------------------------

    def inlined(
        self, graph: Element, operands: Sequence[syntax.Expression], number: int
    ) -> tuple[list[syntax.Statement], list[syntax.Expression]]:
        """A nested graph put in place of a node: statements, and its outputs as expressions."""
        body = graph["graph"]
        scope = f"{graph['name'].text}.{next(self._numbers)}/"
        inputs = list(body["inputs"])
        if len(inputs) != len(operands):
            raise graph.wrong(f"takes {len(inputs)} values, given are {len(operands)}")
        statements: list[syntax.Statement] = [
            syntax.Assign((self._target(entry, scope),), False, operand, number)
            for entry, operand in zip(inputs, operands, strict=True)
        ]
        statements += self.graph(body, scope)
        return statements, [self.argument(output, scope) for output in body["outputs"]]

    def operands(self, item: Element, scope: str) -> list[syntax.Expression]:
        """A list of operands as expressions."""
        found = self.argument(item, scope)
        return list(found.items) if isinstance(found, (syntax.ListOf, syntax.TupleOf)) else [found]

    def cond(self, given: Sequence[Element], outputs: Sequence[Element], scope: str, number: int):
        """`torch.cond`."""
        condition, then, otherwise, *rest = given
        operands = self.operands(rest[0], scope) if rest else []
        blocks: list[tuple[syntax.Statement, ...]] = []
        whole = self._temporary(number)
        for branch in (then, otherwise):
            statements, results = self.inlined(branch["as_graph"], operands, number)
            blocks.append((*statements, syntax.Assign((whole,), False, syntax.TupleOf(tuple(results)), number)))
        choice = syntax.If(self.argument(condition, scope), blocks[0], blocks[1], number)
        return [choice, self._all(outputs, whole, scope, number)]

    def while_loop(self, given: Sequence[Element], outputs: Sequence[Element], scope: str, number: int):
        """`while_loop` of Torch's higher-order ops."""
        test, body, carried, *rest = given
        additional = self.operands(rest[0], scope) if rest else []
        start = self.operands(carried, scope)
        names = [self._temporary(number) for _ in start]
        going = self._temporary(number)
        before = [syntax.Assign((name,), False, value, number) for name, value in zip(names, start, strict=True)]
        tested, conditions = self.inlined(test["as_graph"], [*names, *additional], number)
        tested.append(syntax.Assign((going,), False, conditions[0], number))
        stepped, results = self.inlined(body["as_graph"], [*names, *additional], number)
        if len(results) != len(names):
            raise body.wrong(f"carries {len(results)} values on, given are {len(names)}")
        stepped.append(syntax.Assign(tuple(names), True, syntax.TupleOf(tuple(results)), number))
        loop = syntax.While(going, (*stepped, *tested), number)
        return [*before, *tested, loop, self._all(outputs, syntax.TupleOf(tuple(names)), scope, number)]

    def wrapped(self, given: Sequence[Element], outputs: Sequence[Element], scope: str, number: int):
        """A graph that is evaluated in some mode (gradients on or off, a device, checkpointing)."""
        position = next((n for n, item in enumerate(given) if item.variant()[0] == "as_graph"), None)
        if position is None:
            raise ModelError("a node that wraps a graph has none", given[0].place if given else outputs[0].place)
        operands = [operand for item in given[position + 1 :] for operand in self.operands(item, scope)]
        statements, results = self.inlined(given[position]["as_graph"], operands, number)
        return [*statements, self._all(outputs, syntax.TupleOf(tuple(results)), scope, number)]

    def _all(self, outputs: Sequence[Element], value: syntax.Expression, scope: str, number: int) -> syntax.Statement:
        """The results of a nested graph: always a tuple, even of one."""
        if len(outputs) == 1 and outputs[0].variant()[0] == "as_tensors":
            return self._unpacked(list(outputs[0].variant()[1]), value, scope, number)
        targets = tuple(self._target(output, scope) for output in outputs)
        return syntax.Assign(targets, True, value, number)


_Expander = Callable[[Translator, Sequence[Element], Sequence[Element], str, int], list[syntax.Statement]]
_HIGHER_ORDER: dict[str, _Expander] = {
    "higher_order::cond": Translator.cond,
    "higher_order::while_loop": Translator.while_loop,
    "higher_order::wrap_with_set_grad_enabled": Translator.wrapped,
    "higher_order::wrap_activation_checkpoint": Translator.wrapped,
    "higher_order::tag_activation_checkpoint": Translator.wrapped,
    "higher_order::invoke_subgraph": Translator.wrapped,
}


def variable(name: str, scope: str = "") -> syntax.Name:
    """The variable of a value of the file."""
    return syntax.Name((f"%{scope}{name}",), 0)


def _module_of(node: Element) -> str:
    """The innermost module that a node comes from: `L__self___layer,layer,torch.nn.Linear;...`."""
    metadata = node.get("metadata")
    stack = None if metadata is None else metadata.get("nn_module_stack")
    if stack is None:
        return ""
    parts = stack.text.rpartition(";")[2].split(",")
    return parts[1] if len(parts) >= 3 and parts[0].startswith("L__self__") else ""


# -- arguments ------------------------------------------------------------------------------------------------------


def _by_name(_: Translator, entry: Element, scope: str) -> syntax.Expression:
    return variable(entry["name"].text, scope)


def _sym(translator: Translator, entry: Element, scope: str) -> syntax.Expression:
    kind, found = entry.variant()
    return variable(found.text, scope) if kind == "as_name" else translator.argument(entry, scope)


def _optional(translator: Translator, entry: Element, scope: str) -> syntax.Expression:
    return translator.argument(entry, scope)


def _flag(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    return syntax.Name(("True" if entry.flag else "False",), 0)


def _int(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    return syntax.Literal(entry.integer)


def _float(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    return syntax.Literal(entry.real)


def _text(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    return syntax.Literal(entry.text)


def _none(_t: Translator, _entry: Element, _scope: str) -> syntax.Expression:
    return NONE


def _scalar_type(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    return syntax.Literal(NUMBERS[dtype_of(entry)])


def _memory_format(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    return syntax.Literal(_MEMORY_FORMATS.get(entry.integer, 0))


def _complex(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    return syntax.Literal(complex(entry["real"].real, entry["imag"].real))


def _graph(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    raise entry.wrong("is a graph where a value is wanted")


def _refused(_t: Translator, entry: Element, _scope: str) -> syntax.Expression:
    raise entry.wrong("is an object of a class of its own; no graph can hold one")


def _each(read: Callable[[Translator, Element, str], syntax.Expression]):
    def all(translator: Translator, entry: Element, scope: str) -> syntax.Expression:
        return syntax.ListOf(tuple(read(translator, item, scope) for item in entry))

    return all


_READERS: dict[str, Callable[[Translator, Element, str], syntax.Expression]] = {
    "as_none": _none,
    "as_tensor": _by_name,
    "as_tensors": _each(_by_name),
    "as_optional_tensor": _optional,
    "as_optional_tensors": _each(_optional),
    "as_nested_tensors": _each(_each(_by_name)),
    "as_int": _int,
    "as_ints": _each(_int),
    "as_int_lists": _each(_each(_int)),
    "as_float": _float,
    "as_floats": _each(_float),
    "as_float_lists": _each(_each(_float)),
    "as_string": _text,
    "as_strings": _each(_text),
    "as_bool": _flag,
    "as_bools": _each(_flag),
    "as_sym_int": _sym,
    "as_sym_ints": _each(_sym),
    "as_sym_bool": _sym,
    "as_sym_bools": _each(_sym),
    "as_sym_float": _sym,
    "as_sym_floats": _each(_sym),
    "as_scalar_type": _scalar_type,
    "as_memory_format": _memory_format,
    "as_layout": _none,
    "as_device": _none,
    "as_complex": _complex,
    "as_operator": _text,
    "as_graph": _graph,
    "as_custom_obj": _refused,
}
