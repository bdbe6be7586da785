"""The default schedule of a program for graphics processors: a grid of blocks of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ...errors import ScheduleError
from ...ir.program import Allocate, Block, Buffer, For, LoopKind, Program, Scope, Seq, Stmt, walk
from ..buffers import buffer_key
from ..schedule import Schedule
from ..step import rebuild
from ..steps.on_grid import OnGrid

MOST_LANES = 16  # elements that a thread takes at once


@dataclass(frozen=True)
class GpuMachine:
    """What a default schedule asks about a graphics processor.

    ``shared_bytes`` is what a block gets without asking, ``shared_most`` what it can ask for;
    ``registers`` are those of 32 bits that a thread may use, ``vector_bytes`` the widest access;
    ``precision`` is "tf32" where float32 may be multiplied with 10 bits of its 23;
    ``architecture`` is that which kernels are made for alone, "" for any; ``splits`` says that long
    reductions with few results may become two kernels, ``boxes`` that arrays have the shapes that
    kernels are made for, which whoever takes boxes of them is told.
    """

    warp: int = 32
    most_threads: int = 1024
    shared_bytes: int = 48 << 10
    shared_most: int = 227 << 10
    registers: int = 255
    processors: int = 108
    vector_bytes: int = 16
    precision: str = ""
    architecture: str = ""
    splits: bool = True
    boxes: bool = True


def default_gpu_schedule(program: Program, machine: GpuMachine | None = None) -> Schedule:
    """Loops on blocks and threads for any program, by its structure alone.

    Each statement at the top of the program becomes a kernel of its own. What is provably
    independent is bound; what is not runs serially within a thread. Programs that bind loops
    already are left as they are, and so are those with loops that never run. What an operator has
    written for grids is taken instead.
    """
    from .gpu_folds import split_long_folds
    from .gpu_split import padding_of, split_contractions

    machine = machine or GpuMachine()
    loops = [stmt for stmt in walk(program.body) if isinstance(stmt, For)]
    is_bound = any(loop.kind is LoopKind.BOUND for loop in loops)
    if program.grid is not None:
        s = Schedule(program)
        numbers = {knob.name: knob.default for knob in program.grid.knobs}
        if is_bound:  # it is what these numbers make
            s.note(OnGrid(tuple(numbers.items())), program, ())
        else:
            s.on_grid(**numbers)
        return s
    if is_bound or any(loop.extent == 0 for loop in loops):
        return Schedule(program)
    s = Schedule(_without_threads(program))
    for buffer in _outer_buffers(program.body):
        if buffer.scope is not Scope.GLOBAL:
            s.set_scope(buffer_key(s.program, buffer), "global")
    if machine.splits:
        made = split_contractions(s, _nests(top_statements(s.program.body)), machine)
        split_long_folds(s, _nests(top_statements(s.program.body)), machine, made)
    position = 0
    while position < len(rest := top_statements(s.program.body)):
        nests = _with_scalars(s, _nests(takewhile(_is_loop, rest[position:])), rest[position:])
        padding = padding_of(s, nests)
        if nests and not (padding and _schedule(s, nests[len(padding) :], machine, padding)):
            _schedule(s, nests, machine)
        position += 1
    return s


def _with_scalars(s: Schedule, nests: list[For], rest: Sequence[Stmt]) -> list[For]:
    """What follows a fold of all elements, number by number, as nests of one iteration."""
    from .gpu_rows import row_count

    if not nests or row_count(nests[0]) != 1:
        return nests
    made = 0
    for stmt in rest[len(nests) :]:
        if not isinstance(stmt, Block):
            break
        s.add_unit_loop(stmt.name)
        made += 1
    first = top_statements(s.program.body)[-len(rest) :]
    return _nests(first[: len(nests) + made])


def _schedule(
    s: Schedule, nests: list[For], machine: GpuMachine, padding: Sequence[str] = ()
) -> bool:
    """The first of ``nests``, and what follows if that shares its loops, as one kernel: the first
    way that fits and is legal is taken; says whether there is one. Those in ``padding`` must be a
    part of that kernel, too."""
    from .gpu_boxes import schedule_boxes
    from .gpu_contraction import schedule_contraction
    from .gpu_folds import schedule_columns
    from .gpu_nests import schedule_chain, schedule_points
    from .gpu_points import schedule_points_together
    from .gpu_rows import schedule_rows
    from .gpu_strips import schedule_strips
    from .gpu_tensor_cores import schedule_tensor_cores
    from .gpu_transpose import schedule_transpose
    from .gpu_wgmma import schedule_wgmma

    ways: tuple[Callable[[Schedule, list[For], GpuMachine], bool], ...] = (
        schedule_boxes,
        schedule_wgmma,
        schedule_tensor_cores,
        schedule_contraction,
        schedule_rows,
        schedule_columns,
        schedule_transpose,
        schedule_points_together,
        schedule_points,
        schedule_strips,
        schedule_chain,
    )
    for way in ways:
        try:
            with s.part(way.__name__):
                if not way(s, nests, machine) or _escapes(s):
                    raise _Unfit
                if not {block.name for block in s.blocks()}.isdisjoint(padding):
                    raise _Unfit
                return True
        except (ScheduleError, _Unfit):
            continue
    return False


def _escapes(s: Schedule) -> bool:
    """Whether memory of threads, or of a block of them, is used by more than one kernel."""
    from .gpu_rows import touched_buffers

    seen: set[Buffer] = set()
    for stmt in top_statements(s.program.body):
        touched = {b for b in touched_buffers(stmt) if b.scope is not Scope.GLOBAL}
        if not seen.isdisjoint(touched.intersection(_outer_buffers(s.program.body))):
            return True
        seen |= touched
    return False


class _Unfit(Exception):
    """A way that does not fit: what it did is taken back."""


def _nests(stmts: Iterable[Stmt]) -> list[For]:
    return [stmt for stmt in stmts if isinstance(stmt, For)]


def _is_loop(stmt: Stmt) -> bool:
    return isinstance(stmt, For)


def _without_threads(program: Program) -> Program:
    """``program`` with its loops over the threads of a processor serial, to be judged anew; and
    those over more lanes than a card's vectors have, if arrays are all that they touch."""

    def on(stmt: Stmt) -> Stmt | None:
        if not isinstance(stmt, For):
            return None
        if stmt.kind is LoopKind.PARALLEL or _is_wide(stmt):
            return For(stmt.var, stmt.extent, rebuild(stmt.body, on))
        return None

    body = rebuild(program.body, on)
    return program if body is program.body else program.with_body(body)


def _is_wide(loop: For) -> bool:
    from .gpu_rows import touched_buffers

    if loop.kind is not LoopKind.VECTORIZED or loop.extent <= MOST_LANES:
        return False
    return all(buffer.scope is Scope.GLOBAL for buffer in touched_buffers(loop))


def top_statements(stmt: Stmt) -> list[Stmt]:
    """The statements of a program, less the allocations around them."""
    match stmt:
        case Allocate(body=body):
            return top_statements(body)
        case Seq(stmts=stmts):
            return [part for each in stmts for part in top_statements(each)]
        case _:
            return [stmt]


def _outer_buffers(stmt: Stmt) -> list[Buffer]:
    """The buffers that are allocated outside of all loops."""
    match stmt:
        case Allocate(buffers=buffers, body=body):
            return [*buffers, *_outer_buffers(body)]
        case Seq(stmts=stmts):
            return [buffer for each in stmts for buffer in _outer_buffers(each)]
        case _:
            return []
