"""What things are called in C: identifiers, element types, string literals."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from halo_py.ir.graph import Value
    from halo_py.types import DType

_RESERVED = frozenset(
    (
        *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern"),
        *("float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed"),
        *("sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while"),
        *("alignas", "alignof", "asm", "catch", "char16_t", "char32_t", "class", "constexpr", "const_cast", "decltype"),
        *("delete", "dynamic_cast", "explicit", "export", "friend", "mutable", "namespace", "new", "noexcept"),
        *("nullptr", "operator", "private", "protected", "public", "reinterpret_cast", "static_assert"),
        *("static_cast", "template", "this", "thread_local", "throw", "try", "typeid", "typename", "using", "virtual"),
        *("wchar_t", "bool", "true", "false", "and", "or", "not", "xor", "compl", "bitand", "bitor", "not_eq"),
        *("and_eq", "or_eq", "xor_eq", "main", "NULL", "linux", "unix", "errno", "stdin", "stdout", "stderr"),
    )
)
_PREFIXES = re.compile(r"\d|ODLA_|odla_|_")
"""What an identifier of ours must not begin with."""

_MACROS = re.compile(
    r"NAN|INFINITY|EOF|BUFSIZ|I|complex|imaginary|i386"
    r"|(HUGE_VAL|M_|MATH_|FP_|U?INT\w*_|SIZE_|PTRDIFF_|SEEK_|L_|TMP_|FILENAME_|FOPEN_|WCHAR_|WINT_|SIG_|RAND_|EXIT_)\w*"
)
"""Names that C's own headers define as macros, or may."""


@dataclass(slots=True)
class Names:
    """C identifiers of values: readable, and no two alike."""

    taken: set[str] = field(default_factory=set[str])
    found: dict[Value, str] = field(default_factory=dict["Value", str])

    def of(self, value: Value) -> str:
        """The identifier of a value."""
        if value not in self.found:
            self.found[value] = self.fresh(value.name)
        return self.found[value]

    def fresh(self, text: str) -> str:
        """An identifier like this text."""
        base = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "value"
        if base in _RESERVED or _PREFIXES.match(base) or _MACROS.fullmatch(base):
            base = f"v_{base}"
        name, number = base, 1
        while name in self.taken:
            name, number = f"{base}_{number}", number + 1
        self.taken.add(name)
        return name


def c_type(dtype: DType) -> str:
    """C's type of an element in memory: 16-bit floats are passed as their bits, a boolean is one byte."""
    return {"float16": "odla_float16", "bfloat16": "odla_bfloat16", "bool": "odla_uint8"}.get(
        dtype.text, f"odla_{dtype.text}"
    )


def quoted(text: str) -> str:
    """A C string literal."""
    inside = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode())
        for c in text
    )
    return f'"{inside}"'
