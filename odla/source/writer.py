"""The files of one program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from halo_py.archive import atomic_file, write_text_atomically
from odla.calls.emit import dtype_of, value_type
from odla.calls.model import Call
from odla.source.driver import count_of, driver
from odla.source.names import Names, c_type, quoted
from odla.source.statements import Statements
from odla.source.weights import assembler, write_weights

if TYPE_CHECKING:
    from halo_py.ir.graph import Value
    from odla.calls.model import Calls

Language = Literal["c", "c++"]
SUFFIX: dict[Language, str] = {"c": ".c", "c++": ".cc"}

_EXTENSIONS = frozenset({"odla_LayerNorm", "odla_Swish", "odla_HardSwish", "odla_Dropout"})
"""Functions that ODLA's headers do not declare."""


class SourceWriter:
    """Writes the files of one program. `name` is the function's name and the files' stem."""

    def __init__(self, calls: Calls, name: str, language: Language) -> None:
        self.calls = calls
        self.name = Names().fresh(name)
        self.names = Names({"comp", "Comp", "Ctx", "status", self.name, *(f"{self.name}_{part}" for part in _PARTS)})
        self.language: Language = language
        self.ids = _ids(calls)
        self.outputs = [self.names.fresh(f"out_{name}") for name in calls.output_names]
        self.inputs = [self.names.fresh(f"in_{value.name}") for value in calls.inputs]

    def write(self, folder: Path) -> list[Path]:
        """Write source, header, weights and driver. Raises OutputError."""
        stem, suffix = folder / self.name, SUFFIX[self.language]
        weights = folder / f"{self.name}_weights.bin"
        files = {
            stem.with_suffix(suffix): self.source(),
            stem.with_suffix(".h"): self.header(),
            folder / f"{self.name}_weights.S": assembler(self.calls, weights.name, self._symbol),
            folder / f"{self.name}_main{suffix}": driver(self.calls, self.name),
        }
        for path, text in files.items():
            write_text_atomically(path, text)
        with atomic_file(weights) as stream:
            write_weights(self.calls, stream)
        return [*files, weights]

    def _symbol(self, value: Value) -> str:
        return f"{self.name}_data_{self.names.of(value)}"

    # -- header ---------------------------------------------------------------------------------------------------

    def header(self) -> str:
        """Declarations for callers."""
        guard = f"{self.name.upper()}_H_"
        return f"""#ifndef {guard}
#define {guard}

#include <ODLA/odla.h>

#ifdef __cplusplus
extern "C" {{
#endif

{chr(10).join(self._sizes())}

/* Builds the computation; called by the first run if it was not before. */
odla_status {self.name}_init(void);

/* One run: inputs are read, outputs are written, before it returns. */
{self._signature()};

/* Lets go of the computation. */
odla_status {self.name}_fini(void);

#ifdef __cplusplus
}}
#endif

#endif /* {guard} */
"""

    def _sizes(self) -> Iterator[str]:
        """The number of elements of every input and output."""
        names = Names()
        for role, values, texts in (
            ("input", self.calls.inputs, [value.name for value in self.calls.inputs]),
            ("output", self.calls.outputs, self.calls.output_names),
        ):
            for value, text in zip(values, texts, strict=True):
                upper = names.fresh(re.sub(r"\W+", "_", f"{self.name}_{role}_{text}", flags=re.ASCII).upper())
                yield f"/* {role} {_comment(text)}: {value.type} */"
                yield f"#define {upper}_ELEMENTS {count_of(value)}"

    def _signature(self) -> str:
        pairs = zip(self.calls.inputs, self.inputs, strict=True)
        parameters = [f"const {c_type(dtype_of(value))}* {name}" for value, name in pairs]
        made = zip(self.calls.outputs, self.outputs, strict=True)
        parameters += [f"{c_type(dtype_of(value))}* {name}" for value, name in made]
        return f"odla_status {self.name}({', '.join(parameters) or 'void'})"

    # -- source ---------------------------------------------------------------------------------------------------

    def source(self) -> str:
        """The program."""
        constants = [value for value, _ in self.calls.constants]
        externs = [f"extern const {c_type(dtype_of(value))} {self._symbol(value)}[];" for value in constants]
        extension = any(call.function in _EXTENSIONS for call in self.calls.calls)
        body = "\n".join(f"  {line}" for line in self._body())
        return f"""/* {_comment(self.calls.name)} as ODLA calls, written by HALO. */
#include "{self.name}.h"
{"#include <ODLA/odla_halo.h>" if extension else ""}
#include <math.h>

#ifdef __cplusplus
extern "C" {{
#endif
{chr(10).join(externs)}
#ifdef __cplusplus
}}
#endif

static odla_computation Comp = NULL;
static odla_context Ctx = NULL;

static odla_status {self.name}_helper(void) {{
{body}
  return ODLA_SUCCESS;
}}

{self._life()}"""

    def _life(self) -> str:
        """The functions that callers see."""
        return f"""odla_status {self.name}_init(void) {{
  odla_status status;
  if (Comp != NULL) return ODLA_SUCCESS;
  status = odla_CreateComputation(&Comp);
  if (status == ODLA_SUCCESS) status = {self.name}_helper();
  if (status == ODLA_SUCCESS) status = odla_CreateContext(&Ctx);
  if (status != ODLA_SUCCESS) {self.name}_fini();
  return status;
}}

odla_status {self.name}_fini(void) {{
  odla_status status = ODLA_SUCCESS;
  if (Ctx != NULL) status = odla_DestroyContext(Ctx);
  if (Comp != NULL && status == ODLA_SUCCESS) status = odla_DestroyComputation(Comp);
  Ctx = NULL;
  Comp = NULL;
  return status;
}}

{self._signature()} {{
  odla_status status = {self.name}_init();
  if (status != ODLA_SUCCESS) return status;
{self._bindings()}
  return odla_ExecuteComputation(Comp, Ctx, ODLA_COMPUTE_INFERENCE, NULL);
}}
"""

    def _bindings(self) -> str:
        bound = [("Argument", value, data) for value, data in zip(self.calls.inputs, self.inputs, strict=True)]
        bound += [("Output", value, data) for value, data in zip(self.calls.outputs, self.outputs, strict=True)]
        lines: list[str] = []
        for role, value, data in bound:
            id = quoted(self.ids.get(value, value.name))
            lines.append(f"  status = odla_BindTo{role}ById((odla_value_id){id}, {data}, Ctx);")
            lines.append("  if (status != ODLA_SUCCESS) return status;")
        return "\n".join(lines)

    def _body(self) -> Iterator[str]:
        statements = Statements(self.names, self.ids)
        for value in self.calls.inputs:
            yield from statements.call(Call("odla_CreateArgument", (value_type(value),), (value,)))
        for value, _ in self.calls.constants:
            declared, kind = statements.value_type(value_type(value))
            name = self.names.of(value)
            if declared:
                yield declared
            yield f"odla_value {name} = odla_CreateConstant({kind}, {self._symbol(value)}, {statements.id(value)});"
            yield f"if ({name} == NULL) return ODLA_FAILURE;"
        for call in self.calls.calls:
            yield from statements.call(call)
        for value in self.calls.outputs:
            yield from statements.call(Call("odla_SetValueAsOutput", (value,), ()))


_PARTS = ("helper", "init", "fini")


def _ids(calls: Calls) -> dict[Value, str]:
    """Ids of values that are not called as they are: outputs have the user's names, which no other value keeps."""
    found = {value: name for value, name in zip(calls.outputs, calls.output_names, strict=True) if value.name != name}
    taken = set(calls.output_names)
    others = [*calls.inputs, *(value for value, _ in calls.constants)]
    others += [value for call in calls.calls for value in call.results]
    clashing = [value for value in others if value.name in taken and value not in calls.outputs]
    found.update((value, f"{value.name}.inner") for value in clashing)
    return found


def _comment(text: str) -> str:
    """Text inside a C comment."""
    return re.sub(r"[^ -~]", "?", text).replace("*/", "* /").replace("/*", "/ *")
