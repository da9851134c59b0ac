"""Runs modules of Torch through HALO beside Torch itself, and prints what was found as JSON: check -> largest error.

Run by `test_pytorch.py` in a virtual environment that holds torch, with HALO on the path.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import halo_py
import odla
from halo_py.errors import HaloError
from halo_py.frontend import ImportOptions

torch: Any = importlib.import_module("torch")
nn: Any = torch.nn


class Net(nn.Module):
    """A convolution with a norm, a recurrent layer and an encoder layer."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.convolution = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.linear = nn.Linear(8, 6)
        self.lstm = nn.LSTM(6, 6, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True)

    def forward(self, x: Any) -> Any:
        """A sequence per image."""
        x = self.norm(self.convolution(x)).relu().mean(2).transpose(1, 2)
        return self.encoder(self.lstm(self.linear(x))[0])


class Small(nn.Module):
    """A norm between two layers."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.first, self.norm, self.second = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        """One vector per row."""
        return self.second(self.norm(self.first(x)).tanh())


class Narrow(nn.Module):
    """Numbers of 16 bits in and out, a branch of Python's own, and an integer result."""

    def forward(self, x: Any, twice: bool) -> Any:
        """Several types."""
        y = x * 2 if twice else x + 1
        return y, y.float().argmax(1)


class Unknown(nn.Module):
    """What HALO does not have."""

    def forward(self, x: Any) -> Any:
        """Singular values."""
        return torch.linalg.svdvals(x) + torch.linalg.eigvalsh(x @ x.mT)


def _error(found: Any, expected: Any) -> float:
    """The largest difference; infinite for another type or shape."""
    left, right = torch.as_tensor(found).detach(), torch.as_tensor(expected).detach()
    if left.dtype != right.dtype or left.shape != right.shape:
        return float("inf")
    return float((left.double() - right.double()).abs().max())


def _made(kind: Callable[[], Any], train: bool = False) -> Any:
    torch.manual_seed(0)
    return kind().train(train)


def exported() -> float:
    """A module as a graph, on two devices."""
    net, x = _made(Net), torch.randn(2, 3, 6, 6)
    graph = halo_py.from_torch(net, (x,))
    devices: dict[str, dict[str, Any]] = {"cpu": {}, "ipu-1": {"mode": "whole"}}
    found = [odla.execute(graph, [x.numpy()], device=name, **given)["output"] for name, given in devices.items()]
    return max(_error(array, net(x)) for array in found)


def open_sizes() -> float:
    """A size that is left open, fixed after importing; an exported program instead of a module."""
    net, x = _made(Small), torch.randn(5, 4)
    rows = {"x": {0: torch.export.Dim("rows", min=2)}}
    graph = halo_py.from_torch(net, (torch.randn(3, 4),), dynamic_shapes=rows)
    program = torch.export.export(net, (torch.randn(3, 4),), dynamic_shapes=rows)
    fixed = halo_py.from_torch(program, options=ImportOptions(shapes={"x": (5, 4)}))
    errors = [_error(odla.execute(fixed, [x.numpy()])["output"], net(x))]
    assert "rows" not in str(fixed.inputs[0].type)
    assert not graph.inputs[0].type.is_static  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    return max(errors)


def compiled() -> float:
    """`torch.compile` without gradients, on the CPU and on the simulated machine, for several batches."""
    net = _made(Small)
    on_cpu = torch.compile(net, backend="halo")
    on_chip = torch.compile(_made(Small), backend="halo", options={"device": "ipu-1", "mode": "whole"})
    errors: list[float] = []
    with torch.no_grad():
        x = torch.randn(3, 4)
        errors.append(_error(on_chip(x), net(x)))
        for batch in (3, 5):
            x = torch.randn(batch, 4)
            errors.append(_error(on_cpu(x), net(x)))
        net.first.weight.add_(1)
        errors.append(_error(on_cpu(x), net(x)))
    return max(errors)


def trained() -> float:
    """Gradients and statistics of a module in training: two steps give the same weights."""
    x, wanted = torch.randn(6, 4), torch.randn(6, 3)
    states: list[dict[str, Any]] = []
    for compiles in (True, False):
        net = _made(Small, train=True)
        optimizer, call = (
            torch.optim.SGD(net.parameters(), 0.1),
            torch.compile(net, backend="halo") if compiles else net,
        )
        for _ in range(2):
            optimizer.zero_grad()
            (call(x) - wanted).square().mean().backward()
            optimizer.step()
        states.append(net.state_dict())
    return max(_error(states[0][name], states[1][name]) for name in states[1])


def types() -> float:
    """Numbers of 16 bits, integers, and a flag of Python's own."""
    x = torch.randn(3, 4).to(torch.bfloat16)
    call = torch.compile(Narrow(), backend="halo")
    errors = [
        _error(found, expected)
        for twice in (True, False)
        for found, expected in zip(call(x, twice), Narrow()(x, twice), strict=True)
    ]
    return max(errors)


def refusals() -> list[str]:
    """What the errors say."""
    found: list[str] = []
    for attempt in (
        lambda: halo_py.from_torch(Unknown(), (torch.randn(3, 3),)),
        lambda: torch.compile(Unknown(), backend="halo")(torch.randn(3, 3)),
        lambda: halo_py.from_torch(np.zeros(3)),
    ):
        try:
            attempt()
        except HaloError as error:
            found.append(error.message)
    return found


def main() -> None:
    """Run every check."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    checks = (exported, open_sizes, compiled, trained, types, refusals)
    print(json.dumps({check.__name__: check() for check in checks}))  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
