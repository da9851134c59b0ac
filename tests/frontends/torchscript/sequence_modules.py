# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
"""Modules over sequences of several lengths, signals and grids, for `make_programs.py`."""

import torch
from torch import Tensor, nn


class PackedSequences(nn.Module):
    """Two bidirectional layers over sequences in any order of their lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor, lengths: Tensor):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        result, state = self.lstm(packed)
        padded, again = nn.utils.rnn.pad_packed_sequence(result, batch_first=True, total_length=7)
        return self.head(padded), state[0], state[1], again


class PackedGru(nn.Module):
    """One layer over sequences sorted by length; its result is as long as the longest."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 5)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The sequences and the last states."""
        result, state = self.gru(nn.utils.rnn.pack_padded_sequence(x, lengths))
        return nn.utils.rnn.pad_packed_sequence(result, padding_value=-1.0)[0], state


class InverseSpectrogram(nn.Module):
    """A signal to spectra and back, as filters of speech do."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(12))

    def forward(self, x: Tensor):
        spectra = torch.stft(x, 16, 4, 12, self.window, return_complex=True)
        gain = spectra.abs() / (spectra.abs() + 1)
        return (
            torch.istft(spectra * gain, 16, 4, 12, self.window, length=x.shape[-1] + 3),
            torch.istft(spectra, 16, 4, 12, self.window, normalized=True),
        )


class Anchors(nn.Module):
    """Boxes on a grid. Numbers that tracing keeps as tensors still count as numbers where types are promoted."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The centres of cells, and a scaled copy of the input."""
        rows, columns = x.shape[-2], x.shape[-1]
        y, x_ = torch.meshgrid(
            (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij"
        )
        return torch.stack([x_, y], -1) * 2.0, x.mean((2, 3)).round().long() * 0.25
