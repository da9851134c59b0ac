"""ResNet-50 v1.5: He et al. (2016), "Deep residual learning", with the stride on the 3x3 convolution of a block."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.full_size.writer import GraphWriter

_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
_EXPANSION = 4
_CLASSES = 1000


def write_resnet50(path: Path) -> None:
    """Input `image` [batch, 3, 224, 224], output `logits` [batch, 1000]; batch normalisation is kept as nodes."""
    with GraphWriter(path, seed=50) as graph:
        image = graph.input("image", ("batch", 3, 224, 224))
        net = _Network(graph)
        x, channels = net.stem(image), 64
        for stage, (blocks, width) in enumerate(_STAGES):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = net.bottleneck(f"layer{stage + 1}.{block}", x, channels, width, stride)
                channels = width * _EXPANSION
        x = graph.add("Flatten", graph.add("GlobalAveragePool", x), axis=1)
        weight = graph.normal("fc.weight", (_CLASSES, channels), channels**-0.5)
        graph.add("Gemm", x, weight, graph.normal("fc.bias", (_CLASSES,), 0.1), result="logits", transB=1)
        graph.output("logits", ("batch", _CLASSES))


@dataclass(frozen=True, slots=True)
class _Network:
    graph: GraphWriter

    def stem(self, image: str) -> str:
        x = self.convolution("conv1", image, 3, 64, kernel=7, stride=2)
        x = self.graph.add("Relu", x)
        return self.graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def bottleneck(self, name: str, x: str, channels: int, width: int, stride: int) -> str:
        out = width * _EXPANSION
        y = self.graph.add("Relu", self.convolution(f"{name}.conv1", x, channels, width, kernel=1))
        y = self.graph.add("Relu", self.convolution(f"{name}.conv2", y, width, width, kernel=3, stride=stride))
        y = self.convolution(f"{name}.conv3", y, width, out, kernel=1, gain=(0.2, 0.5))
        if channels != out:
            x = self.convolution(f"{name}.downsample", x, channels, out, kernel=1, stride=stride)
        return self.graph.add("Relu", self.graph.add("Add", y, x))

    def convolution(
        self,
        name: str,
        x: str,
        channels: int,
        out: int,
        *,
        kernel: int,
        stride: int = 1,
        gain: tuple[float, float] = (0.5, 1.0),
    ) -> str:
        """Convolution with He-scaled weights, then batch normalisation with the scale drawn from `gain`."""
        weight = self.graph.normal(
            f"{name}.weight", (out, channels, kernel, kernel), (2 / (channels * kernel**2)) ** 0.5
        )
        pad = kernel // 2
        y = self.graph.add("Conv", x, weight, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)
        statistics = (
            self.graph.uniform(f"{name}.bn.weight", (out,), *gain),
            self.graph.normal(f"{name}.bn.bias", (out,), 0.1),
            self.graph.normal(f"{name}.bn.running_mean", (out,), 0.1),
            self.graph.uniform(f"{name}.bn.running_var", (out,), 0.5, 1.0),
        )
        return self.graph.add("BatchNormalization", y, *statistics, epsilon=1e-5)
