"""One random program of a long run: drawn, checked, and shown where it differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mlc.testing.comparing import SHAKES, Outcome, run
from mlc.testing.rounding import shaken

from .compare import check, check_data, check_sizes, pasted, shrunk
from .flowing import check_flow, draw_flow, shrunk_flow
from .program import draw_program
from .raising import check_raising, draw_raising
from .watched import Death, Note, Told, outlives


class Kind(NamedTuple):
    """How programs of one kind are drawn, checked and made smaller."""

    draw: Callable[[int, Told], Any]
    check: Callable[[Any], Outcome]
    shrink: Callable[[Any], Any]


KINDS = {
    "arrays": Kind(draw_program, check, shrunk),
    "sizes": Kind(draw_program, check_sizes, lambda program: shrunk(program, check_sizes)),
    "data": Kind(draw_program, check_data, lambda program: shrunk(program, check_data)),
    "errors": Kind(draw_raising, check_raising, lambda program: shrunk(program, check_raising)),
    "flow": Kind(draw_flow, check_flow, shrunk_flow),
}
WITHOUT_MLC = "NumPy ended"  # the kind of programs that end the process without mlc, too


class Found(NamedTuple):
    """What came of one program: the kind of its outcome, why it was refused, how it is shown."""

    kind: str
    reason: str = ""
    shown: str = ""


def run_seed(kind: str, seed: int, note: Told) -> Found:
    """Draws and checks a program; ``note`` is told what NumPy runs before that, then nothing."""
    ways = KINDS[kind]
    program = ways.draw(seed, note)
    note("")
    outcome = ways.check(program)
    if outcome.kind == "refused":
        return Found("refused", outcome.text)
    if outcome.kind != "different":
        return Found(outcome.kind)
    small = ways.shrink(program)
    return Found("different", shown=f"# seed {seed}\n{pasted(small, ways.check(small).text)}")


def after_death(kind: str, death: Death) -> Found:
    """The same of a program whose process died: a difference unless it ends without mlc, too."""
    head = f"# seed {death.item}: {death.reason}"
    if death.note:
        return Found(WITHOUT_MLC, shown=f"{head}, while NumPy alone ran\n{death.note}")
    note = Note()
    survived = outlives(lambda: _without_mlc(kind, death.item, note.write))
    if not survived:
        head += ", as without mlc"
    return Found("different" if survived else WITHOUT_MLC, shown=f"{head}\n{note.read()}")


def _without_mlc(kind: str, seed: int, note: Told) -> None:
    """Whatever of a check is done without mlc."""
    ways = KINDS[kind]
    program = ways.draw(seed, lambda _: None)
    note(pasted(program, "the process ended"))
    function = program.function()
    run(function, program.arguments)
    for n in range(SHAKES):
        run(shaken(function, n), program.arguments)
