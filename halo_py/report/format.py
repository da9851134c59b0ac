"""Numbers with units, and the look of tables, the same in every report."""

from __future__ import annotations

from rich.table import Table


def plain_table(title: str, *columns: str) -> Table:
    """A table without lines; the first column is text, the others are numbers unless said otherwise."""
    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def seconds_text(seconds: float) -> str:
    """`1.23 ms`."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{_three_digits(seconds * scale)} {unit}"
    return f"{seconds * 1e9:.3g} ns" if seconds else "0"


def bytes_text(size: float) -> str:
    """`1.23 MB` (powers of ten)."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{_three_digits(size)} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def count_text(number: float) -> str:
    """`1.23 G`, `45.6 M`, or a plain number below a thousand."""
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * scale:
            return f"{_three_digits(number / scale)} {unit}"
    return f"{number:g}"


def rate_text(items_per_second: float) -> str:
    """`12,345` items a second; small rates keep three digits."""
    return f"{items_per_second:,.0f}" if items_per_second >= 100 else _three_digits(items_per_second)


def _three_digits(number: float) -> str:
    return f"{number:.0f}" if number >= 999.5 else f"{number:.3g}"
