"""A failing sequence as a test to paste."""

from __future__ import annotations

from textwrap import indent

from mlc.ir.expr import Var
from mlc.schedules.schedule import Schedule
from mlc.schedules.trace import source_text

from .sequences import Wrong


def paste_test(wrong: Wrong) -> str:
    """A pytest that fails as ``wrong`` did: the program, the steps as source, the assertion."""
    schedule, call = wrong.schedule, wrong.call
    program = schedule.original
    lines = [
        "import numpy as np",
        "import mlc",
        "from mlc import script as T",
        "from mlc.errors import NotProvenError, ScheduleError",
        "from mlc.schedules.legality import verify",
        "from mlc.testing import check_schedule",
        "",
        "",
        program.script().rstrip(),
        "",
        "",
        source_text(schedule).rstrip(),
        "",
        "",
        f"def test_{_words(wrong.kind)}():",
    ]
    applied = f"{program.name}_schedule"
    if call is None:
        body = f"check_schedule({program.name}, {applied})"
    else:
        loops = [arg for arg in call.args if isinstance(arg, Var)]
        body = f"s = mlc.Schedule({applied}({program.name}))\n"
        names = _loop_names(schedule, loops)
        args = ", ".join(names.get(id(a)) or repr(getattr(a, "name", a)) for a in call.args)
        args += "".join(f", {key}={value!r}" for key, value in call.options)
        body += "try:\n"
        body += f"    s.{call.name}({args})\n"
        body += "except ScheduleError as error:\n"
        body += "    witness = error.refusal and error.refusal.witness\n"
        body += "    assert witness is None or verify(s.program, witness)\n"
        body += f"check_schedule({applied}({program.name}), s)"
    return "\n".join(lines) + "\n" + indent(body, "    ") + "\n"


def _loop_names(schedule: Schedule, loops: list[object]) -> dict[int, str]:
    from mlc.schedules.trace import occurrence_of

    return {
        id(var): f"s.loop({var.name!r}, {occurrence_of(schedule.program, var)})"  # type: ignore[attr-defined,arg-type]
        for var in loops
    }


def _words(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text.replace(", ", "_"))
