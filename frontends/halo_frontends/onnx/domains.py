"""A domain whose operators are expanded while importing: rules by operator, and reasons for what is refused."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field

from halo_frontends.onnx.upgrade import RuleFunction


@dataclass(slots=True)
class Domain:
    """The expansions of one domain. `families` are modules beside this one; they are imported at the first question."""

    name: str
    families: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """Operators that are known and not supported, with the reason."""
    _expansions: dict[str, RuleFunction] = field(default_factory=dict[str, RuleFunction])
    _loaded: bool = False

    def expands(self, *operators: str) -> Callable[[RuleFunction], RuleFunction]:
        """Declare the expansion of these operators. Raises ValueError if one has an expansion already."""

        def declare(function: RuleFunction) -> RuleFunction:
            for operator in operators:
                if operator in self._expansions:
                    raise ValueError(f"{self.name}.{operator} is expanded twice")
                self._expansions[operator] = function
            return function

        return declare

    def operators(self) -> tuple[str, ...]:
        """Every operator that has an expansion."""
        self._load()
        return tuple(self._expansions)

    def expansion(self, operator: str) -> RuleFunction | None:
        """How this operator is expanded, or None if it is not."""
        self._load()
        return self._expansions.get(operator)

    def refusal(self, operator: str) -> str | None:
        """Why this operator is not supported, if there is more to say than that it is unknown."""
        self._load()
        return self.refused.get(operator)

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            for family in self.families:
                importlib.import_module(f"halo_frontends.onnx.{family}")
