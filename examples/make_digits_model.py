"""Trains the example model: a small residual network that reads 8 x 8 images of handwritten digits.

    pip install '.[train]' && python examples/make_digits_model.py

Data: the 1,797 labelled digits that scikit-learn ships (Alpaydin and Kaynak, "Optical recognition of handwritten
digits", UCI, 1998). A quarter of them is held out. Writes, beside this file, `digits.onnx` (free batch dimension,
batch normalisation kept as nodes) and `digits_samples.npz` (sixteen held-out images with their labels).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

torch: Any = importlib.import_module("torch")

FOLDER = Path(__file__).parent
SEED = 8
EPOCHS = 60
BATCH = 64
PIXEL_MAXIMUM = 16.0
CLASSES = 10
SAMPLES = 16
STEM, WIDE = 24, 48
OPSET = 17
EPSILON = 1e-5

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Digits:
    """Images [N, 1, 8, 8] in 0..1 and labels [N]."""

    images: Array
    labels: Array


def load_digits() -> tuple[Digits, Digits]:
    """The digits for training and the ones held out."""
    datasets: Any = importlib.import_module("sklearn.datasets")
    selection: Any = importlib.import_module("sklearn.model_selection")
    raw = datasets.load_digits()
    images = (raw.images[:, None] / PIXEL_MAXIMUM).astype(np.float32)
    parts = selection.train_test_split(images, raw.target, test_size=0.25, random_state=SEED, stratify=raw.target)
    return Digits(parts[0], parts[2]), Digits(parts[1], parts[3])


def block(channels: int, out: int) -> Any:
    """Convolution 3 x 3 and batch normalisation."""
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out, eps=EPSILON))


class Network(torch.nn.Module):
    """Stem, residual block, pooling, widening, residual block, average over the image, dense layer."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.stem = block(1, STEM)
        self.first, self.second = block(STEM, STEM), block(STEM, STEM)
        self.widen = block(STEM, WIDE)
        self.third, self.fourth = block(WIDE, WIDE), block(WIDE, WIDE)
        self.dense = torch.nn.Linear(WIDE, CLASSES)

    def forward(self, image: Any) -> Any:
        """Logits [N, 10]."""
        relu, pool = torch.nn.functional.relu, torch.nn.functional.max_pool2d
        x = relu(self.stem(image))
        x = pool(relu(x + self.second(relu(self.first(x)))), 2)
        x = relu(self.widen(x))
        x = relu(x + self.fourth(relu(self.third(x))))
        return self.dense(x.mean((2, 3)))


def shifted(images: Any) -> Any:
    """The images, each moved by up to one pixel in each direction."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    rows, columns = (int(step) for step in torch.randint(0, 3, (2,)))
    return padded[:, :, rows : rows + 8, columns : columns + 8]


def train(digits: Digits) -> Any:
    """A network trained with AdamW and a one-cycle learning rate."""
    torch.manual_seed(SEED)
    network = Network()
    images, labels = torch.tensor(digits.images), torch.tensor(digits.labels)
    steps = EPOCHS * (len(labels) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(labels))
        for start in range(0, len(labels) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            loss = torch.nn.functional.cross_entropy(network(shifted(images[chosen])), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def accuracy(network: Any, digits: Digits) -> float:
    """The share of digits read right."""
    with torch.no_grad():
        read = network(torch.tensor(digits.images)).argmax(1).numpy()
    return float((read == digits.labels).mean())


class Exporter:
    """Collects nodes and weights of the ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def add(self, op: str, *operands: str, result: str | None = None, **attributes: Any) -> str:
        """Adds a node and returns the name of its output."""
        name = result or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, operands, [name], name, **attributes))
        return name

    def weight(self, name: str, tensor: Any) -> str:
        """Adds a trained tensor."""
        self.weights.append(numpy_helper.from_array(tensor.detach().numpy(), name))
        return name

    def block(self, name: str, x: str, layers: Any) -> str:
        """Convolution and batch normalisation of a trained `block`."""
        convolution, norm = layers
        y = self.add("Conv", x, self.weight(f"{name}.weight", convolution.weight), kernel_shape=[3, 3], pads=[1] * 4)
        parts = {"scale": norm.weight, "bias": norm.bias, "mean": norm.running_mean, "variance": norm.running_var}
        statistics = [self.weight(f"{name}.{part}", tensor) for part, tensor in parts.items()]
        return self.add("BatchNormalization", y, *statistics, epsilon=EPSILON)

    def residual(self, name: str, x: str, inner: Any, outer: Any) -> str:
        """relu(x + outer(relu(inner(x))))."""
        y = self.add("Relu", self.block(f"{name}.inner", x, inner))
        return self.add("Relu", self.add("Add", x, self.block(f"{name}.outer", y, outer)))


def export(network: Any, path: Path) -> None:
    """Writes the trained network as ONNX."""
    graph = Exporter()
    x = graph.add("Relu", graph.block("stem", "image", network.stem))
    x = graph.residual("low", x, network.first, network.second)
    x = graph.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.add("Relu", graph.block("widen", x, network.widen))
    x = graph.residual("high", x, network.third, network.fourth)
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    dense = graph.weight("dense.weight", network.dense.weight), graph.weight("dense.bias", network.dense.bias)
    graph.add("Gemm", x, *dense, result="logits", transB=1)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])
    proto = helper.make_graph(graph.nodes, "digits", [image], [logits], graph.weights)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    checker.check_model(model)  # pyright: ignore[reportUnknownMemberType]
    path.write_bytes(model.SerializeToString())


def main() -> None:
    """Trains, reports the accuracy on held-out digits, and writes the files."""
    training, held_out = load_digits()
    network = train(training)
    print(f"held-out accuracy {accuracy(network, held_out):.4f} on {len(held_out.labels)} digits")
    export(network, FOLDER / "digits.onnx")
    images, labels = held_out.images[:SAMPLES], held_out.labels[:SAMPLES]
    np.savez_compressed(FOLDER / "digits_samples.npz", image=images, label=labels)


if __name__ == "__main__":
    main()
