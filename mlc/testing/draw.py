"""One random program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import MlcError
from ..ir.forms import check_blocks
from ..ir.interpret import interpret
from ..ir.program import Program, blocks_of
from ..script.legal import check_legal
from .checking import arrays_for
from .choices import Choices
from .graphs import draw_graph
from .nests import draw_nest
from .tiles import draw_tiles

ATTEMPTS = 12


def draw_program(choices: Choices, kind: str = "any") -> Program:
    """A program of that kind (see :func:`mlc.testing.programs`) that is legal as it stands."""
    if kind == "any":
        kind = choices.pick(("nest", "graph", "nest", "nest", "tiles", "graph", "nest"))
    if kind == "graph":
        return draw_graph(choices)
    if kind == "tiles":
        return draw_tiles(choices)
    for _ in range(ATTEMPTS):
        program = draw_nest(choices)
        if program is not None and is_sound(program):
            return program
    return draw_graph(choices)


def is_sound(program: Program) -> bool:
    """Whether `mlc.script` would accept the program, and it reads no memory before it writes it,
    neither for zeros nor for what schedules of it are checked with, as indices may be data; what
    the outputs held is there to be read."""
    zeros = [np.zeros(b.shape, b.dtype.numpy) for b in program.params]
    if not blocks_of(program.body):
        return False
    try:
        check_blocks(program)
        check_legal(program, {}, True)
        for arrays in (zeros, arrays_for(program)):
            interpret(replace(program, outputs=0), *arrays, check_uninitialised=True)
    except MlcError:
        return False
    return True
