"""Small networks for `torch.export`: layers of all families, control flow, sizes that are left open, nested results.

Imported by `make_exports.py` in a virtual environment that holds torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

torch: Any = importlib.import_module("torch")
nn: Any = torch.nn
functional: Any = torch.nn.functional
while_loop: Any = importlib.import_module("torch._higher_order_ops.while_loop").while_loop


class Pair(NamedTuple):
    """A result with named parts."""

    left: Any
    right: Any


importlib.import_module("torch.utils._pytree")._register_namedtuple(Pair, serialized_type_name="exported_modules.Pair")


@dataclass(frozen=True)
class Case:
    """A network to export and its example inputs; with `others` the program is judged on other inputs than those."""

    build: Callable[[], Any]
    inputs: list[Any]
    dynamic: Any = None
    others: list[Any] | None = None
    decomposes: bool = True
    strict: bool = False

    def build_again(self, exported: Any) -> Any:
        """The network with the weights of the exported one and no state that exporting or running has changed."""
        fresh = self.build().eval()
        fresh.load_state_dict(exported.state_dict())
        return fresh


class Convolutional(nn.Module):
    """Convolutions, norms and pooling; a buffer that is no weight and a plain tensor attribute."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, groups=2, stride=2)
        self.groups = nn.GroupNorm(2, 8)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.head = nn.Linear(4, 5)
        self.register_buffer("scale", torch.arange(5.0), persistent=False)
        self.shift = torch.tensor([0.5], dtype=torch.bfloat16)
        nn.init.normal_(self.norm.running_mean)

    def forward(self, x: Any) -> Any:
        """One vector per image."""
        x = functional.max_pool2d(functional.relu6(self.norm(self.first(x))), 2)
        x = functional.hardswish(self.groups(self.second(x)))
        x = functional.interpolate(self.up(x), scale_factor=2, mode="bilinear", align_corners=False)
        x = functional.adaptive_avg_pool2d(functional.avg_pool2d(x, 2), 1).flatten(1)
        return functional.log_softmax(self.head(x), 1) * self.scale + self.shift.float()


class Encoder(nn.Module):
    """Embedding, attention of two kinds, and a feed-forward part."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.embedding = nn.Embedding(50, 16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.scale = nn.RMSNorm(16)
        self.inner = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 16))

    def forward(self, ids: Any) -> Any:
        """One vector per token."""
        x = self.embedding(ids) + torch.arange(ids.shape[1]).unsqueeze(-1) / 10
        x = x + self.attention(self.norm(x), x, x, need_weights=False)[0]
        q = x.view(x.shape[0], -1, 4, 4).transpose(1, 2)
        y = functional.scaled_dot_product_attention(q, q, q, is_causal=True).transpose(1, 2).flatten(2)
        return self.scale(x + self.inner(y))


class Recurrent(nn.Module):
    """An LSTM and a GRU one after the other."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.lstm = nn.LSTM(6, 7, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(14, 5, batch_first=True)

    def forward(self, x: Any) -> Any:
        """The sequence and the last states."""
        y, (h, c) = self.lstm(x)
        z, last = self.gru(y)
        return z, h, {"cell": c, "last": last}


class Views(nn.Module):
    """Writes into views, and gives a view of its input."""

    def forward(self, x: Any) -> Any:
        """Tensors that share memory while they are made."""
        y = x.clone()
        y[:, 1:3] += 1
        y[0].mul_(2)
        row = y.select(1, 0)
        row.copy_(y[:, 3])
        y[y > 1] = -1
        z = torch.zeros_like(y)
        z.index_put_((torch.tensor([0, 2]),), y[1])
        parts = torch.split(y, [1, 3], 1)
        a, b = y.t().chunk(2)
        return x.transpose(0, 1), y, z, parts[1] * 2, a + b, tuple(x.max(1)), x.topk(2).indices


class Choice(nn.Module):
    """`torch.cond` on data, with a weight that both branches see."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        """One of two results of each choice."""
        first = torch.cond(x.sum() > 0, self.linear, _less, (x,))
        pair = torch.cond(x[0, 0] > 100, _pair, _other_pair, (first,))
        return first, pair[0] + pair[1]


def _less(t: Any) -> Any:
    return t - 1


def _pair(t: Any) -> Any:
    return t * 2, t + 1


def _other_pair(t: Any) -> Any:
    return t.exp(), t.cos()


class Loop(nn.Module):
    """`while_loop` whose length depends on data."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.factor = nn.Parameter(torch.tensor([1.1, 0.9, 1.2, 0.7]))

    def forward(self, x: Any, count: Any) -> Any:
        """The state after `count` steps."""

        def goes_on(steps: Any, _state: Any) -> Any:
            return steps < count.sum()

        def step(steps: Any, state: Any) -> Any:
            return steps + 1, state * self.factor

        return while_loop(goes_on, step, (torch.zeros((), dtype=torch.int64), x + 0))


class Results(nn.Module):
    """Containers of all kinds as results, and a number among them."""

    def forward(self, x: Any) -> Any:
        """A dictionary of everything."""
        return {"pair": Pair(x + 1, x - 1), "list": [x * 2, (x * 3,)], "rows": x.shape[0], "none": None}


class State(nn.Module):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Any) -> Any:
        """The input and the count so far."""
        self.calls.add_(1)
        return x + self.calls


class Sizes(nn.Module):
    """Arithmetic of sizes that are left open."""

    def forward(self, x: Any, y: Any) -> Any:
        """Two batches as one."""
        rows, columns = x.shape[0], x.shape[1]
        z = torch.cat([x, y]).view(rows * 2, columns // 2, 2)
        return z.mean(-1), torch.arange(rows * columns).view(rows, -1), torch.full((rows, 1), columns / rows)


def cases() -> dict[str, Case]:
    """Every network by name."""
    torch.manual_seed(1)
    rows, columns = torch.export.Dim("rows", min=2, max=64), torch.export.Dim("columns", min=2, max=64)
    x, positive = torch.randn(3, 4), torch.rand(3, 4) + 0.1
    return {
        "convolutional": Case(Convolutional, [torch.randn(2, 3, 16, 16)]),
        "encoder": Case(Encoder, [torch.randint(0, 50, (2, 6))]),
        "recurrent": Case(Recurrent, [torch.randn(2, 5, 6)]),
        "views": Case(Views, [x]),
        "choice": Case(Choice, [positive], decomposes=False),
        "choice_other": Case(Choice, [-positive], decomposes=False),
        "loop": Case(Loop, [x, torch.tensor([2, 3])], decomposes=False, strict=True),
        "results": Case(Results, [x]),
        "state": Case(State, [x]),
        "sizes": Case(
            Sizes,
            [x, torch.randn(3, 4)],
            dynamic=({0: rows, 1: 2 * torch.export.Dim("half", min=1, max=32)},) * 2,
            others=[torch.randn(5, 6), torch.randn(5, 6)],
        ),
        "open_batch": Case(
            Convolutional, [torch.randn(2, 3, 16, 16)], dynamic=({0: rows},), others=[torch.randn(3, 3, 16, 16)]
        ),
        "open_length": Case(
            Encoder, [torch.randint(0, 50, (2, 6))], dynamic=({1: columns},), others=[torch.randint(0, 50, (2, 9))]
        ),
    }
