"""What operators have written for grids of threads, as programs that schedules by hand take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .compile_device import module_for_cards
from .errors import UnsupportedError
from .graph.plain_program import plain_program
from .ir.grids import Grid
from .ir.program import Buffer, Program
from .kernel_code import grid_of, naive_program
from .records import replace
from .te.tensor import Constant, Tensor


def program_to_schedule(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], name: str, target: str
) -> tuple[Program, tuple[Tensor, ...]]:
    """As :func:`mlc.graph.plain_program.plain_program`, of which a schedule may take what an
    operator has written for grids, where all is one kernel of that operator."""
    module = module_for_cards(inputs, outputs, name, target)
    call = module.kernels[0].stages[0].call if len(module.kernels) == 1 else None
    grid = None if call is None else grid_of(call)
    if grid is None:
        return plain_program(inputs, outputs, name)
    written, arguments = naive_program(module.kernels[0])
    try:
        plain, constants = plain_program(inputs, outputs, name)
    except UnsupportedError:  # it is a program of its own
        plain, constants = None, module.constants
    given = (*inputs, *constants)
    found = [_place_of(tensor, given) for tensor in arguments[: -written.outputs]]
    places = [place for place in found if place is not None]
    if len(places) < len(found) or tuple(arguments[-written.outputs :]) != tuple(module.outputs):
        return plain_program(inputs, outputs, name)

    def arranged(program: Program) -> Program:
        """``program`` over all that is given, in that order."""
        whole = [Buffer(t.name, t.shape, t.dtype) for t in given]
        for place, buffer in zip(places, program.params, strict=False):
            whole[place] = buffer
        return replace(program, params=(*whole, *program.params[len(places) :]), name=name)

    held = Grid(lambda **n: arranged(grid.written(n)), grid.leaves_open)
    return replace(arranged(written) if plain is None else plain, grid=held), constants


def _place_of(tensor: Tensor, given: Sequence[Tensor]) -> int | None:
    """The number of ``tensor``, or of a constant like it, among ``given``."""
    for number, other in enumerate(given):
        mine, theirs = tensor.op, other.op
        if tensor is other:
            return number
        if isinstance(mine, Constant) and isinstance(theirs, Constant):
            same = mine.array.dtype == theirs.array.dtype
            if same and np.array_equal(mine.array, theirs.array):
                return number
    return None
