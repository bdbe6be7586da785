"""What operators have written for grids of threads, as programs that schedules by hand take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .compile_device import calls_library, gpu_program, module_for_cards
from .errors import UnsupportedError
from .graph.kernel import Kernel
from .graph.plain_program import plain_program
from .ir.grids import Grid
from .ir.program import Allocate, Buffer, Program, Stmt, seq
from .kernel_code import grid_of, naive_program
from .lower.replace_buffers import Place, replace_buffers
from .records import replace
from .te.tensor import Constant, Tensor


def program_to_schedule(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], name: str, target: str
) -> tuple[Program, tuple[Tensor, ...]]:
    """As :func:`mlc.graph.plain_program.plain_program`, of which a schedule may take what an
    operator has written for grids, where one of its kernels is such an operator; what else is
    computed gets its default schedule then."""
    module = module_for_cards(inputs, outputs, name, target)
    calls = [kernel.stages[0].call for kernel in module.kernels]
    grids = [None if call is None else grid_of(call) for call in calls]
    if sum(grid is not None for grid in grids) != 1:
        return plain_program(inputs, outputs, name)
    try:
        plain, constants = plain_program(inputs, outputs, name)
    except UnsupportedError:  # there is a program of its own
        plain, constants = None, module.constants
    parts = [_Part(kernel, grid, target) for kernel, grid in zip(module.kernels, grids)]
    whole = _Whole(tuple(parts), (*inputs, *constants), tuple(module.outputs), name)
    if not whole.is_possible():
        return plain_program(inputs, outputs, name)
    (grid,) = (grid for grid in grids if grid is not None)
    held = Grid(lambda **numbers: whole.program(numbers), grid.leaves_open)
    return replace(whole.program(None) if plain is None else plain, grid=held), constants


@dataclass(frozen=True)
class _Part:
    """A kernel of a function, and what an operator has written for grids if it is one's."""

    kernel: Kernel
    grid: Grid | None
    target: str

    def program(self, numbers: dict[str, int] | None) -> Program:
        """It on a grid, with ``numbers`` where the operator leaves them open; without any it has
        not been scheduled."""
        naive, _ = naive_program(self.kernel)
        if numbers is None:
            return naive
        if self.grid is None:
            return gpu_program(naive, self.target)[0]
        return self.grid.written(numbers)

    @property
    def arguments(self) -> tuple[Tensor, ...]:
        return naive_program(self.kernel)[1]


@dataclass(frozen=True)
class _Whole:
    """``parts`` one after the other: a function of ``given`` that makes ``outputs``."""

    parts: tuple[_Part, ...]
    given: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    name: str

    def is_possible(self) -> bool:
        """Whether they are no more than a program can be: what refuses its data, or calls
        libraries, is not."""
        made: set[Tensor] = set()
        for part in self.parts:
            naive, arguments = part.program(None), part.arguments
            if calls_library(naive) or naive.attrs.get("refusals") and len(self.parts) > 1:
                return False
            split = len(arguments) - naive.outputs
            read = (tensor for tensor in arguments[:split] if tensor not in made)
            if any(_place_of(tensor, self.given) is None for tensor in read):
                return False
            made.update(arguments[split:])
        return made.issuperset(self.outputs)

    def program(self, numbers: dict[str, int] | None) -> Program:
        """The program, in which what is no result is allocated."""
        buffers: dict[Tensor, Buffer] = {}
        between: list[Buffer] = []
        bodies: list[Stmt] = []
        attrs: dict[str, object] = {}
        for part in self.parts:
            program, places = part.program(numbers), {}
            for buffer, tensor in zip(program.params, part.arguments, strict=True):
                number = _place_of(tensor, self.given)
                held = tensor if number is None else self.given[number]
                place = buffers.setdefault(held, buffer)
                if place is not buffer:
                    places[buffer] = Place(place)
                elif number is None and tensor not in self.outputs:
                    between.append(buffer)
            bodies.append(replace_buffers(program.body, places))
            attrs.update(program.attrs)
        params = [buffers.get(t) or Buffer(t.name, t.shape, t.dtype) for t in self.given]
        params += [buffers[tensor] for tensor in self.outputs]
        body = seq(*bodies)
        body = Allocate(tuple(between), body) if between else body
        return Program(self.name, tuple(params), body, len(self.outputs), attrs)


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
