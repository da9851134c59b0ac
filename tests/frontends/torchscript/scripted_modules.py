# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
"""Modules that `make_programs.py` scripts: TorchScript reads this source, so it is plain Torch code."""

from enum import Enum
from typing import NamedTuple

import torch
from torch import Tensor, nn


def seeded(module: nn.Module) -> nn.Module:
    """The module with weights that make its outputs vary."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.4)
    return module


class Choices(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kind = "double"
        self.times = 3

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "double" and x.dim() == 2:
            y = x * 2
        elif x.size(0) > 100:
            y = x * 5
        else:
            y = x
        if self.times > 5:
            return y + 100
        if y.shape[1] != 4:
            raise ValueError("four columns are wanted")
        return y - self.times


class ChoicesOnData(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(4.0))

    def forward(self, x: Tensor) -> Tensor:
        scale = 1
        if x.sum() > 0:
            y = x * self.weight
            scale = 2
            pair = (x, y)
        else:
            y = x - 1
            pair = (y, x)
        if bool(y.max() > 1e6):
            raise ValueError("far too large")
        return y * scale + pair[0]


class EarlyReturnOnData(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.mean() > 10:
            return x
        y = x + 1
        if y.sum() > 0:
            return y * 2
        return y * 3


class Loops(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for i in range(4):
            if i == 2:
                continue
            total = total + x * i
        n = 0
        while n < 3:
            total = total.relu()
            n += 1
            if n == 2:
                break
        for row in x.unbind(0):
            total = total + row
        for i, scale in enumerate([1.0, 0.5]):
            total = total * scale + i
        return total + n


class LoopOnData(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        count = 0
        y = x
        while y.sum() > 1.0:
            y = y * 0.5
            count += 1
        return y, count


class CountedLoopOnData(nn.Module):
    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        total = x
        for i in range(int(times)):
            total = total + x * i
        return total


class StateInBranches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.memory = torch.zeros(4)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if x.sum() > -1e9:
            self.memory = self.memory + x[0]
        else:
            self.memory = self.memory - 1
        buffer = torch.zeros(3, 4)
        if x.max() > 0:
            buffer[1] = x[2]
        return x + self.memory * self.calls + buffer


class Containers(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        parts: list[Tensor] = []
        for i in range(3):
            parts.append(x[i] * i)
        parts.insert(0, x[0])
        last = parts.pop()
        named = {"a": parts[0], "b": last}
        named["c"] = parts[1]
        total = torch.stack(parts).sum(0)
        for key, value in named.items():
            if key != "b":
                total = total + value
        sizes = [2 * size for size in x.shape]
        numbers = sorted([3, 1, 2])
        if 3 in numbers and "a" in named:
            total = total + numbers[0] + max(sizes[0], sizes[1]) + len(named)
        first, _ = (1, 2)
        return total.view(-1)[: sizes[1] // 2] + first


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


class NamedTuples(nn.Module):
    def split(self, x: Tensor) -> Pair:
        return Pair(x[:, :2], x[:, 2:])

    def forward(self, x: Tensor) -> Pair:
        pair = self.split(x)
        return Pair(pair.left + pair.right, pair[1] * 2)


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        y += 1
        y.mul_(2).clamp_(min=-1.0)
        z = y
        z[0] = 5
        z[1:3, ::2] += 10
        z[:, 1].neg_()
        z[z > 20] = 0.25
        w = torch.zeros(3, 4)
        w.copy_(y[0])
        w.fill_diagonal_(7.0)
        w.index_put_((torch.tensor([0, 2]), torch.tensor([1, 1])), torch.tensor([1.0, 2.0]))
        return y + w


class Views(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        v = y.t()
        v[0] = 1.0
        flat = y.view(-1)
        flat[5:7] = 9.0
        a, b = y.chunk(2, dim=1)
        a.add_(b)
        w = y.unsqueeze(0).expand(2, 4, 4).permute(1, 0, 2).reshape(4, -1)
        d = torch.diagonal(y)
        d.mul_(3)
        return torch.cat([w, y, v], dim=1)


class StridedViews(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        y[::2, 1::2] = 0
        y[..., -1] -= 1
        z = y.narrow(0, 1, 2).select(1, 0)
        z.fill_(4.0)
        u = y.unfold(1, 2, 2)
        return u.sum(-1) + y[:, :2] + y.movedim(0, 1)[:2].transpose(0, 1)


class Optionals(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias: Tensor | None = None

    def shifted(self, x: Tensor, by: Tensor | None = None) -> Tensor:
        if by is None:
            return x
        return x + by

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.shifted(x, self.bias)
        if mask is not None:
            y = y.masked_fill(mask, 0.0)
        return self.shifted(y, x[0])


class Texts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.modes = ["relu", "tanh"]

    def forward(self, x: Tensor) -> Tensor:
        for mode in self.modes:
            if mode.startswith("re") and f"{mode}_" == "relu_":
                x = torch.relu(x)
            elif " ".join(mode.split("h")) == "tan ":
                x = torch.tanh(x)
            else:
                raise ValueError(f"unknown mode {mode}")
        return x


@torch.jit.script
class Scaler:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def apply(self, x: Tensor) -> Tensor:
        self.factor = self.factor * 2
        return x * self.factor


class Classes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        scaler = Scaler(1.5)
        return scaler.apply(x) + scaler.apply(x)


class Mode(Enum):
    ADD = 1
    SUBTRACT = 2


class Enumerations(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mode = Mode.SUBTRACT

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == Mode.ADD:
            return x + 1
        return x - self.mode.value


class Submodules(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.named = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x) + x
        for activation in self.named.values():
            x = activation(x)
        return x * self.scale


class DictionaryResult(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"sum": x.sum(1), "largest": x.amax(1)}


class Indexing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        rows = torch.tensor([0, 2, -1])
        a = x[rows]
        b = x[rows, torch.tensor([1, 1, 0])]
        c = x[:, rows][:3]
        d = x.unsqueeze(1)[rows, :, torch.tensor([3, 0, 1])]
        e = torch.gather(x, 1, torch.zeros(3, 4, dtype=torch.long))
        mask = torch.tensor([True, False, True, True])
        f = x[mask]
        g = torch.where(x > 0, x, torch.zeros_like(x))[1:4]
        return a[:, :3] + b.unsqueeze(1) + c + d + e[:, :3] + f[:, :3] + g[:, :3]


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
        self.deep = nn.Conv2d(8, 8, 3, stride=2, padding="valid", groups=4)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.norm = nn.GroupNorm(2, 4)
        self.head = nn.Linear(4, 5)
        self.drop = nn.Dropout(0.3)
        with torch.no_grad():
            self.stem[1].running_var.uniform_(0.5, 2.0)
            self.stem[1].running_mean.normal_()

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        y = nn.functional.max_pool2d(y, 3, stride=1, padding=1)
        y = nn.functional.silu(self.deep(y))
        y = self.norm(self.up(y))
        y = nn.functional.adaptive_avg_pool2d(y, (4, 3)).mean([2, 3])
        return nn.functional.log_softmax(self.head(self.drop(y)), dim=-1)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 5, batch_first=True)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> Tensor:
        y, (h, c) = self.rnn(x, state)
        return y.sum(1) + h[0] + c[0]


class RecurrentLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        h, c = torch.zeros(x.size(1), 5), torch.zeros(x.size(1), 5)
        found: list[Tensor] = []
        for step in range(x.size(0)):
            h, c = self.cell(x[step], (h, c))
            found.append(h)
        return torch.stack(found, dim=1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.inner(x, x, x)


class CausalAttention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)


class Spectrogram(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))

    def forward(self, x: Tensor) -> Tensor:
        found = torch.stft(x, 16, 8, window=self.window, return_complex=True)
        return torch.log(found.abs().pow(2) + 1e-3)


class RotaryComplex(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        angles = torch.outer(torch.arange(5.0), torch.tensor([1.0, 0.1, 0.01, 0.001]))
        turns = torch.polar(torch.ones_like(angles), angles)
        pairs = torch.view_as_complex(x.reshape(1, 5, 2, 4, 2))
        return torch.view_as_real(pairs * turns.view(1, 5, 1, 4)).flatten(3)


class Detector(nn.Module):
    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        kept = scores > 0.3
        boxes, scores = boxes[kept], scores[kept]
        order = scores.argsort(descending=True)
        corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
        return corners[order], scores[order]


class Upsampling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        b = nn.functional.interpolate(x, size=[16, 16], mode="nearest")
        c = nn.functional.interpolate(x, size=[16, 16], mode="bicubic", align_corners=True)
        return a + b + c + nn.functional.pixel_shuffle(torch.cat([x] * 4, 1), 2)


class QuantisedNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = torch.ao.quantization.QuantStub()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.flat = nn.Flatten()
        self.head = nn.Linear(8 * 16, 5)
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        y = self.pool(self.relu(self.conv(self.quant(x))))
        return self.dequant(self.head(self.flat(y)))


class QuantisedResidual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = torch.ao.quantization.QuantStub()
        self.first = nn.Conv2d(3, 6, 3, padding=1, stride=2)
        self.second = nn.Conv2d(6, 6, 3, padding=1, groups=3)
        self.sum = nn.quantized.FloatFunctional()
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(self.quant(x))
        z = self.sum.add(y, self.second(y))
        return self.dequant(z)
