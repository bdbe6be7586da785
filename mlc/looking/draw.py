"""Pictures of programs: their loops, and what one iteration of a loop touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ArgumentError
from ..ir.expr import Var
from ..ir.program import Program
from ..schedules.lookup import loop_named
from .svg import Picture

if TYPE_CHECKING:
    from ..schedules.schedule import Schedule


def draw(program: Program | Schedule, loop: Var | str | None = None) -> Picture:
    """The loop nest as nested boxes; with ``loop``, the elements that one iteration of it touches.

    ``.svg`` of what is returned is the text, ``.save("x.svg")`` writes it, a notebook shows it.
    """
    chosen = _program_of(program)
    if loop is not None:
        return draw_access(chosen, loop)
    from .nest_picture import nest_picture

    return nest_picture(chosen)


def draw_access(program: Program | Schedule, loop: Var | str) -> Picture:
    """The elements of each buffer that the first iteration of ``loop`` touches, and the next.

    ``loop`` may be given by its name where that is the only loop called so.
    """
    from .access_picture import access_picture

    chosen = _program_of(program)
    var = loop_named(chosen, loop, None) if isinstance(loop, str) else loop
    return access_picture(chosen, var)


def _program_of(thing: Program | Schedule) -> Program:
    found = thing if isinstance(thing, Program) else getattr(thing, "program", None)
    if not isinstance(found, Program):
        raise ArgumentError(
            f"mlc.draw draws a T.program or a schedule, got {type(thing).__name__}; what mlc.jit "
            f"made has f.lower(...).draw()"
        )
    return found
