"""ODLA/ops/odla_ops_control_flow.h: loops and conditionals."""

from __future__ import annotations

from halo_py.errors import UsageError
from odla.c import control, state
from odla.c.decode import Numbers
from odla.c.dispatch import implements
from odla.c.values import Value


@implements("odla_BeginLoop")
def begin_loop(trip_count: Value, value_id: str | None) -> None:
    """Open a loop's body."""
    around = control.around_new_body()
    around.local(trip_count)
    control.open_scope(control.LoopScope(around, trip_count))


@implements("odla_CreateLoopVariable")
def create_loop_variable(init_value: Value, value_id: str | None) -> Value:
    """A value that iterations hand on."""
    loop = _loop()
    made = loop.variable(init_value, value_id)
    if loop.computation is not None:
        loop.computation.remember(made)
    return made


@implements("odla_EndLoop")
def end_loop(
    condition: Value | None, output_values: tuple[Value, ...], flags: Numbers | None, value_ids: tuple[str | None, ...]
) -> tuple[Value, ...]:
    """Close the loop; one value per output: the last one, or those of all iterations stacked."""
    loop = _loop()
    around = loop.parent
    assert around is not None
    modes = flags.take(len(output_values)) if flags is not None else (control.LAST_VALUE,) * len(output_values)
    for mode in modes:
        if not control.LAST_VALUE <= mode <= control.REVERSED_AFTER:
            raise UsageError(f"flag {mode} is no odla_loop_output_mode")
    nodes = loop.end(condition, output_values, modes)
    return control.close_scope(around, nodes, value_ids, loop.variables)


@implements("odla_BeginIf")
def begin_if(condition: Value, value_id: str | None) -> None:
    """Open a conditional, at first the body for true."""
    conditional = control.Conditional(control.around_new_body(), condition)
    control.open_scope(conditional.bodies[True])


@implements("odla_EnterBranchBody")
def enter_branch(true_branch: bool) -> None:
    """Go on in the body for true or in the other one."""
    control.open_scope(_branch().owner.bodies[true_branch])


@implements("odla_EndIf")
def end_if(value_ids: tuple[str | None, ...]) -> tuple[Value, ...]:
    """Close the conditional; one value per output that the bodies marked."""
    conditional = _branch().owner
    return control.close_scope(conditional.around, conditional.end(), value_ids, ())


def _loop() -> control.LoopScope:
    found = state.scope()
    if not isinstance(found, control.LoopScope):
        raise UsageError("no loop is open here")
    return found


def _branch() -> control.BranchScope:
    found = control.branch_scope()
    if found is None:
        raise UsageError("no conditional is open here")
    return found
