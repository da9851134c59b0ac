"""Where a TFLite model begins and ends: its signature's inputs and outputs, or tensors that the user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from halo_frontends.tflite.model import OperatorInfo, Signature, Subgraph, TfliteModel
from halo_py.errors import ModelError, UsageError
from halo_py.frontend import ImportOptions


@dataclass(frozen=True, slots=True)
class TensorPort:
    """An input or output: the number of its tensor, and the name that the user knows."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Ports:
    """The graph to import, its ends, and the operators between them in order."""

    subgraph: Subgraph
    inputs: tuple[TensorPort, ...]
    outputs: tuple[TensorPort, ...]
    operators: tuple[OperatorInfo, ...]


def find_ports(model: TfliteModel, options: ImportOptions) -> Ports:
    """The inputs and outputs to import. Raises ModelError, UsageError for names the model does not have."""
    signature = _signature(model, options)
    number = 0 if signature is None else signature.subgraph
    if not 0 <= number < len(model.subgraphs):
        raise ModelError(f"names subgraph {number} of {len(model.subgraphs)}", model.place)
    main = model.subgraphs[number]
    own_inputs = _own(main, main.inputs, signature and signature.inputs, "input", model)
    own_outputs = _own(main, main.outputs, signature and signature.outputs, "output", model)
    chosen = () if signature is not None and options.outputs == (signature.key,) else options.outputs
    outputs = tuple(_named(model, main, name, own_outputs, "--outputs") for name in chosen) or own_outputs
    cuts = tuple(_named(model, main, name, own_inputs, "--inputs") for name in options.inputs)
    operators, read = operators_between(main, [port.number for port in outputs], {port.number for port in cuts})
    cut_numbers = {port.number for port in cuts}
    kept = tuple(port for port in own_inputs if port.number in read and port.number not in cut_numbers)
    inputs = (*cuts, *kept) if cuts or chosen else own_inputs
    return Ports(main, inputs, outputs, operators)


def _signature(model: TfliteModel, options: ImportOptions) -> Signature | None:
    """The signature that `--outputs` names, else that of the first graph."""
    for entry in model.signatures:
        if options.outputs == (entry.key,):
            return entry
    return next((entry for entry in model.signatures if entry.subgraph == 0), None)


def _own(
    main: Subgraph, numbers: Sequence[int], names: Mapping[int, str] | None, kind: str, model: TfliteModel
) -> tuple[TensorPort, ...]:
    """What the ends of the graph are called: as its signature says, else as the tensors."""
    found = [(names or {}).get(number) or main.tensors[number].name for number in numbers]
    if len(set(found)) != len(found):
        if kind == "input":
            raise ModelError("two inputs have one name", model.place)
        found = [f"{name}:{place}" if found.count(name) > 1 else name for place, name in enumerate(found)]
    return tuple(TensorPort(number, name) for number, name in zip(numbers, found, strict=True))


def _named(model: TfliteModel, main: Subgraph, name: str, own: Sequence[TensorPort], flag: str) -> TensorPort:
    """An own end of this name, or the tensor of this name."""
    for port in own:
        if port.name == name:
            return port
    for number, tensor in enumerate(main.tensors):
        if tensor.name == name:
            return TensorPort(number, name)
    close = get_close_matches(name, [*(port.name for port in own), *(tensor.name for tensor in main.tensors)], 3)
    hint = f"did you mean {', '.join(close)}?" if close else "halo inspect lists what the model holds"
    raise UsageError(f"{flag}: the model has no tensor {name!r}", model.place, hint)


def operators_between(
    main: Subgraph, outputs: Sequence[int], ends: set[int]
) -> tuple[tuple[OperatorInfo, ...], set[int]]:
    """The operators that these tensors depend on, as far back as `ends`, and all tensors that are read."""
    wanted = set(outputs)
    found: list[OperatorInfo] = []
    for entry in reversed(main.operators):
        if any(number in wanted and number not in ends for number in entry.outputs) or not entry.outputs:
            found.append(entry)
            wanted.update(entry.inputs)
    return tuple(reversed(found)), wanted
