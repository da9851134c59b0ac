"""`python -m tests.models`: fetches and makes every model of the catalogue, and prints where each lies."""

from __future__ import annotations

import time

from tests.models.catalogue import all_models


def main() -> None:
    """Prints one line per model: name, path, seconds it took."""
    for case in all_models():
        start = time.perf_counter()
        path = case.path()
        print(f"{case.name}\t{path}\t{time.perf_counter() - start:.1f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
