"""How every command ends: one clear message on stderr and a documented exit code, never a traceback.

The codes are listed in docs/exit-codes.md.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
import traceback
from typing import NoReturn

import click

from halo_py.errors import HaloError, InternalError, OutputError, UsageError, Where

HOST_MEMORY_EXIT_CODE = 71
"""This computer's own memory is exhausted."""
INTERRUPTED_EXIT_CODE = 130
"""Ctrl-C, as shells report it."""
READER_GONE_EXIT_CODE = 1
"""Whatever read our output has gone away (`halo ops | head`)."""

TRACEBACK_VARIABLE = "HALO_TRACEBACK"
REPORT_HINT = (
    f"this is a defect of HALO: please report it with the command, the model and the output of {TRACEBACK_VARIABLE}=1"
)


ALLOCATIONS_PER_COLLECTION = 50_000
"""Importing and compiling make few cycles; Python's default of 700 searches for them hundreds of times."""


def run(command: click.Command, program: str) -> NoReturn:
    """Run a command with the process's arguments and exit with its code."""
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
    sys.exit(_exit_code(command, program))


def _exit_code(command: click.Command, program: str) -> int:
    try:
        code: object = command.main(prog_name=program, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        return _tell(_usage_error(error, program), 2)
    except (click.Abort, KeyboardInterrupt):
        return _tell(HaloError("interrupted; nothing was written"), INTERRUPTED_EXIT_CODE)
    except HaloError as error:
        return _tell(error, error.exit_code)
    except BrokenPipeError:
        _silence_stdout()
        return READER_GONE_EXIT_CODE
    except OSError as error:
        return _os_error(error)
    except MemoryError:
        hint = "use a smaller model or --batch-size, or a computer with more memory"
        return _tell(HaloError("this computer's memory is exhausted", hint=hint), HOST_MEMORY_EXIT_CODE)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the user gets a message and not a traceback
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        return _tell(InternalError(f"unexpected {text}", hint=REPORT_HINT), InternalError.exit_code)
    return code if isinstance(code, int) else 0


def _usage_error(error: click.ClickException, program: str) -> HaloError:
    """Click's complaint in our words, which do not change with its version."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"{program if context is None else context.command_path} --help shows all options"
    match error:
        case click.NoSuchOption():
            near = f"did you mean {' or '.join(error.possibilities)}?" if error.possibilities else hint
            return UsageError(f"there is no option {error.option_name}", hint=near)
        case click.MissingParameter(param=click.Option() as option):
            hint = "`halo targets` lists the machines" if option.name in ("target", "targets") else hint
            return UsageError(f"{option.opts[0]} is missing", hint=hint)
        case click.MissingParameter(param=click.Parameter() as parameter):
            return UsageError(f"{parameter.human_readable_name} is missing", hint=hint)
        case click.BadParameter(param=click.Option() as option):
            return UsageError(f"{option.opts[0]}: {error.message.rstrip('.')}", hint=hint)
        case _:
            message = error.format_message().rstrip(".")
            return UsageError(message[:1].lower() + message[1:], hint=hint)


def _os_error(error: OSError) -> int:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        _silence_stdout()
        place = Where(str(error.filename or "standard output"))
        return _tell(OutputError(f"cannot be written: {error.strerror}", place), OutputError.exit_code)
    where = Where(str(error.filename)) if error.filename else Where()
    return _tell(OutputError(error.strerror or str(error), where), OutputError.exit_code)


def _tell(error: HaloError, code: int) -> int:
    """Print the message; the traceback too if it is asked for."""
    if os.environ.get(TRACEBACK_VARIABLE) and sys.exc_info()[0] is not None:
        traceback.print_exc()
    with contextlib.suppress(OSError):  # stderr may be gone: then nobody can be told
        sys.stderr.write(message_of(error))
        sys.stderr.flush()
    return code


def message_of(error: HaloError) -> str:
    """The text a user sees: `error: ...`, then a line each for notes and the hint."""
    where = "" if error.where == Where() else f"{error.where}: "
    lines = [f"error: {where}{error.message}"]
    if isinstance(error, InternalError):
        lines += [f"  note: {note}" for note in getattr(error, "__notes__", ())]
    if error.hint:
        first, *rest = error.hint.splitlines()
        lines += [f"  hint: {first}", *(f"        {line}" for line in rest)]
    return "\n".join(lines) + "\n"


def _silence_stdout() -> None:
    """Keep the interpreter's last flush of stdout from failing a second time."""
    with contextlib.suppress(OSError, ValueError):  # stdout may be no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
