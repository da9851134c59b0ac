"""Makes full-size networks for measurements of speed: real shapes, seeded weights, nothing downloaded.

    python -m benchmarks.make_full_size [NAME ...] [--sequence-length N] [--folder DIR]

Prints the path of each model; one that exists is kept. Without names, all are made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.full_size.resnet import write_resnet50
from benchmarks.full_size.transformers import (
    BERT_BASE,
    BERT_LARGE,
    ROFORMER_SMALL,
    VIT_BASE,
    write_bert,
    write_roformer,
    write_vit,
)
from tests.models.cache import cache_root

MAKERS: dict[str, Callable[[Path, int], None]] = {
    "resnet50": lambda path, _: write_resnet50(path),
    "bert_base": lambda path, sequence: write_bert(path, BERT_BASE, sequence, external_weights=False),
    "bert_base_fast_gelu": lambda path, sequence: write_bert(
        path, BERT_BASE, sequence, external_weights=False, fast_gelu=True
    ),
    "bert_large": lambda path, sequence: write_bert(path, BERT_LARGE, sequence, external_weights=True),
    "vit_b16": lambda path, _: write_vit(path, VIT_BASE),
    "roformer_v2_small": lambda path, sequence: write_roformer(path, ROFORMER_SMALL, sequence),
}
_READS_A_SEQUENCE = ("bert_base", "bert_base_fast_gelu", "bert_large", "roformer_v2_small")
# Raise when the made files change, so that no cache keeps the old ones.
_RECIPE = 1


def full_size_model(name: str, sequence_length: int = 128, folder: Path | None = None) -> Path:
    """The ONNX file of that network, made on first use (by default in the model cache).

    Raises:
        KeyError: there is no such network.
    """
    maker = MAKERS[name]
    suffix = f"_sl{sequence_length}" if name in _READS_A_SEQUENCE else ""
    path = (folder or cache_root() / "full-size" / str(_RECIPE)) / f"{name}{suffix}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        maker(path, sequence_length)
    return path


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(MAKERS)))
@click.option("--sequence-length", default=128, show_default=True, help="Tokens per item, for networks that read text.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to write.")
def main(names: tuple[str, ...], sequence_length: int, folder: Path | None) -> None:
    """Make full-size networks and print their paths."""
    for name in names or MAKERS:
        click.echo(full_size_model(name, sequence_length, folder))


if __name__ == "__main__":
    main()
