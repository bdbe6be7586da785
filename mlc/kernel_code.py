"""One kernel of a graph on its way to code: its program, and the schedule that it gets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from .dtypes import boolean
from .ir.expr import Var, load
from .ir.grids import Grid
from .ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Stmt,
    Store,
    seq,
    walk,
)
from .records import dataclass
from .te.nests import nest_of
from .te.program import create_program
from .te.tensor import Call, Constant, Placeholder, Tensor

if TYPE_CHECKING:
    from .lower.separate_constants import Separated
    from .schedules.schedule import Schedule
    from .schedules.tuned import Host, Tuned

STATEMENT_NS = 0.3  # what one statement takes, as far as a first guess needs to know
ROW_BYTES = 2048  # of a buffer that may be kept in a result instead
SHORT = (2, 4, 8)  # elements of rows that may be moved as one


@dataclass(frozen=True, eq=False)
class KernelCode:
    """One kernel on its way: as blocks, scheduled, and flat.

    ``arguments`` says what tensor each param of the program is; in the flat program there may be
    more params, which are scratch memory.
    """

    program: Program
    scheduled: Program
    schedule: Schedule
    arguments: tuple[Tensor, ...]
    nanoseconds: float
    is_call: bool = False
    is_tuned: bool = False
    like: KernelCode | None = None  # one that differs in names alone, and is lowered instead
    # What one of a family reads from the params before its output: see `mlc.kernel_families`.
    numbers: tuple[tuple[int | float, ...], ...] | None = None

    @property
    def constants(self) -> tuple[Buffer, ...]:
        """The params that are arrays which the function captured."""
        if self.numbers is not None:  # shared with kernels that read others there
            return ()
        pairs = zip(self.scheduled.params, self.arguments, strict=False)
        return tuple(b for b, tensor in pairs if isinstance(tensor.op, Constant))

    @cached_property
    def separated(self) -> Separated | None:
        """What is done once, and what in every call, if anything depends on constants alone."""
        if not self.constants:
            return None
        from .lower.separate_constants import separate_constants

        return separate_constants(self.scheduled, self.constants)

    @cached_property
    def flat(self) -> Program:
        """The program of every call after lowering."""
        if self.like is not None:
            return self.like.flat
        return self._lowered(self.scheduled if self.separated is None else self.separated.main)

    @cached_property
    def flat_ahead(self) -> Program | None:
        """The program of what is done once after lowering, if there is any."""
        return None if self.separated is None else self._lowered(self.separated.ahead)

    def _lowered(self, program: Program) -> Program:
        from .lower.pipeline import compact_buffers, lower
        from .schedules.defaults.machine import STACK_BYTES

        if self.is_call or self.is_tuned:
            from .lower.prove_loops import prove_loops

            program = prove_loops(program)
        if not self.is_call and folds_truth(program):
            from .lower.stop_folds import stop_folds

            program = stop_folds(program)
        if self.is_call or self.is_tuned:
            return lower(program)
        # Most default schedules allocate no more than a tile.
        small = all(b.size * b.dtype.itemsize <= STACK_BYTES for b in allocated(program))
        program = lower(program, without=(compact_buffers,) if small else ())
        rows = {b for b in allocated(program) if b.size * b.dtype.itemsize >= ROW_BYTES}
        if rows:
            from .backends.llvm.target import host_target
            from .lower.write_in_place import write_in_place

            program = write_in_place(program, rows, host_target().past_bytes or sys.maxsize)
        return program


def folds_truth(program: Program) -> bool:
    """Whether ``program`` folds truth values."""
    found = (s for s in walk(program.body) if isinstance(s, Accumulate))
    return any(s.combiner.dtypes == (boolean,) for s in found)


def has_parallel_loops(program: Program) -> bool:
    """Whether threads share loops of ``program``, or will once what is bound to them is."""
    kinds = LoopKind.PARALLEL, LoopKind.BOUND
    return any(isinstance(s, For) and s.kind in kinds for s in walk(program.body))


def allocated(program: Program) -> Iterator[Buffer]:
    """The buffers that ``program`` allocates."""
    for stmt in walk(program.body):
        if isinstance(stmt, Allocate):
            yield from stmt.buffers


def schedule_kernel(kernel: Any, tuned: Tuned | None = None, words: bool = True) -> KernelCode:
    """The schedule of a graph kernel: one from ``tuned``, stored traces by workload key, or else
    the default one. With ``words``, short rows may be moved as such: `mlc.graph.words`."""
    from .backends.llvm.target import host_target
    from .runtime.processors import available_cpus
    from .schedules.defaults.cpu import default_schedule
    from .schedules.defaults.machine import machine_of

    if tuned and (found := _tuned_code(kernel, tuned)):
        return found
    naive, arguments = naive_program(kernel)
    if kernel.stages[0].call is not None:
        from .schedules.schedule import Schedule

        code = naive
        if naive.attrs.get("noalias"):
            from .lower.join_folds import join_folds
            from .lower.join_points import join_points
            from .lower.share_rows import share_rows
            from .lower.strips import in_strips

            code = join_points(join_folds(naive))
            code = in_strips(code, machine_of(host_target(), available_cpus()))
            code = share_rows(code)
        return KernelCode(naive, code, Schedule(code), arguments, _cost(naive), is_call=True)
    nests = [nest_of(stage.tensors) for stage in kernel.stages]
    inputs, outputs, shared = kernel.inputs, kernel.outputs, kernel.shared
    if words and outputs and outputs[0].shape and outputs[0].shape[-1] in SHORT:
        from .graph.words import as_words

        moves = as_words(nests, inputs, outputs)
        if moves is not None:
            nests, inputs, outputs = moves.nests, moves.inputs, moves.outputs
            shared = min(shared, outputs[0].ndim)
    machine = machine_of(host_target(), available_cpus())
    done = default_schedule(kernel.name, nests, shared, inputs, outputs, machine)
    arguments = (*kernel.inputs, *done.scratch, *kernel.outputs)
    return KernelCode(naive, done.program, done.schedule, arguments, done.nanoseconds)


def with_layouts(program: Program, inputs: Sequence[Tensor]) -> Program:
    """``program`` over params that lie in memory as the arrays that a caller passes for them do."""
    from .lower.bind_blocks import bind_blocks
    from .lower.replace_buffers import Place, replace_buffers

    places = {}
    for buffer, tensor in zip(program.params, inputs, strict=False):
        op = tensor.op
        if isinstance(op, Placeholder) and (op.strides is not None or not op.aligned):
            lies = Buffer(buffer.name, buffer.shape, buffer.dtype, op.strides, aligned=op.aligned)
            places[buffer] = Place(lies)
    if not places:
        return program
    params = tuple(places[b].buffer if b in places else b for b in program.params)
    body = bind_blocks(program).body
    called = {a for s in walk(body) if isinstance(s, Evaluate) for a in s.args}
    copied = [b for b in places if b in called]
    body = replace_buffers(body, {b: p for b, p in places.items() if b not in called})
    for buffer in copied:  # a library function needs it C-contiguous
        whole = Buffer(buffer.name, buffer.shape, buffer.dtype)
        at = tuple(Var(f"i{d}") for d in range(buffer.ndim))
        copy: Stmt = Store(whole, at, load(places[buffer].buffer, at))
        for var, extent in reversed(list(zip(at, buffer.shape, strict=True))):
            copy = For(var, extent, copy)
        body = Allocate((whole,), seq(copy, replace_buffers(body, {buffer: Place(whole)})))
    return replace(program, params=params, body=body)


def grid_of(call: Call) -> Grid | None:
    """What the operator of a call has written for grids, over arrays that lie as the caller's."""
    grid, inputs = call.on_grid, call.inputs
    if grid is None:
        return None
    return Grid(lambda **n: with_layouts(grid.written(n), inputs), grid.leaves_open)


def naive_program(kernel: Any) -> tuple[Program, tuple[Tensor, ...]]:
    """The program of a graph kernel before any schedule, and the tensors of its params."""
    stage = kernel.stages[0]
    if stage.call is not None:
        program = with_layouts(stage.call.program, stage.call.inputs)
        return program, (*stage.call.inputs, *stage.tensors)
    nests = [nest_of(stage.tensors) for stage in kernel.stages]
    program = create_program(kernel.name, nests, kernel.inputs, kernel.outputs)
    return program, (*kernel.inputs, *kernel.outputs)


def captured(arguments: Sequence[Tensor]) -> tuple[int, ...]:
    """Which of the params of a program are arrays that the function captured."""
    return tuple(n for n, tensor in enumerate(arguments) if isinstance(tensor.op, Constant))


def schedule_kernels(
    kernels: Sequence[Any], tuned: Tuned | None = None, made: Mapping[int, KernelCode] | None = None
) -> list[KernelCode]:
    """The schedules of graph kernels, as :func:`schedule_kernel` makes them, for machine code
    without names: those of kernels that are the same up to names are made, and lowered, once. Some
    are ``made`` already, by number."""
    made = made or {}
    if len(kernels) == 1:
        return [schedule_kernel(kernels[0], tuned)]
    from .graph.kernel_key import kernel_key

    known: dict[str, tuple[Any, KernelCode]] = {}
    codes = []
    for number, kernel in enumerate(kernels):
        if number in made:
            codes.append(made[number])
            continue
        key = kernel_key(kernel)
        if key is None or key not in known:
            code = schedule_kernel(kernel, tuned)
            if key is not None:
                known[key] = kernel, code
        else:
            code = _renamed(*known[key], kernel)
        codes.append(code)
    return codes


def _renamed(kernel: Any, code: KernelCode, other: Any) -> KernelCode:
    """``code`` of ``kernel`` for ``other``, which differs in names alone."""
    old = (*kernel.inputs, *kernel.outputs, *kernel.locals)
    new = (*other.inputs, *other.outputs, *other.locals)
    if kernel.stages[0].call is not None:
        old = (*kernel.stages[0].call.inputs, *kernel.stages[0].tensors)
        new = (*other.stages[0].call.inputs, *other.stages[0].tensors)
    place = dict(zip(old, new, strict=True))
    arguments = tuple(place.get(tensor, tensor) for tensor in code.arguments)
    return replace(code, arguments=arguments, like=code)


def _tuned_code(kernel: Any, tuned: Tuned) -> KernelCode | None:
    from .schedules.tuned import tuned_schedule, workload_key

    program, arguments = naive_program(kernel)
    trace = tuned.get(workload_key(program, tuning_host().isa, captured(arguments)))
    schedule = None if trace is None else tuned_schedule(program, trace, kernel.name)
    if schedule is None:
        return None
    cost = _cost(program)
    return KernelCode(program, schedule.program, schedule, arguments, cost, is_tuned=True)


def _cost(program: Program) -> float:
    """The nanoseconds of a program whose loops say no more than how many statements it runs."""
    from .ir.work import statements_run

    return STATEMENT_NS * statements_run(program.body)


@cache
def tuning_host() -> Host:
    """This machine, as stored results of tuning name it."""
    from .backends.llvm.target import host_target
    from .runtime.processors import available_cpus
    from .schedules.tuned import Host

    target, threads = host_target(), available_cpus()
    sizes = f"L1 {target.l1_bytes} L2 {target.l2_bytes} L3 {target.l3_bytes}"
    return Host(
        isa=target.key(),
        target=f"{target.key()} {target.tune_cpu or 'generic'} {sizes} threads {threads}",
        family=f"{target.arch} {target.cpu} {target.vector_bits}-bit {threads} threads",
    )
