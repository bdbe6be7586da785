"""Schedules for graphics processors: the default one's own decisions, drawn.

How many threads a block has, how large the tile of a block is, how wide accesses are, and how many
copies of tiles are under way while one is used. Which kernel becomes tensor cores' work follows
from its types. Of what an operator has written for grids (scans, sorts, counts, attention), the
numbers that it leaves open.
"""

from __future__ import annotations

from dataclasses import replace

from ...errors import ScheduleError
from ...ir.program import For, LoopKind, Scope, Seq, Stmt, walk, writes_of
from ...schedules.defaults.gpu import GpuMachine, default_gpu_schedule
from ...schedules.schedule import Schedule
from ..space import Space, Template
from ..workload import Workload
from .leaves import attempt
from .structure import sampled

_THREADS = [64, 128, 256, 512, 1024]
_BLOCKS = [8, 27, 54, 108, 216, 432]  # that a tile should leave: the fewer, the larger it may be
_BYTES = [4, 8, 16]
_AHEAD = [0, 1, 2, 3]


def gpu_space(workload: Workload, machine: GpuMachine | None = None) -> Space:
    """The space of a workload for a graphics processor. Its candidates are legal; none is timed."""
    wanted = machine or GpuMachine()
    if workload.program.grid is not None:
        return Space(workload, [Template("numbers", numbers, is_pure=True)])
    template = Template("grid", lambda s: grid(s, wanted), is_pure=True)
    return Space(workload, [template])


def numbers(s: Schedule) -> None:
    """The numbers that the operator leaves open, its own choice the likeliest; those around it are
    likelier than those far away."""
    program_grid = s.program.grid
    assert program_grid is not None
    chosen = {}
    for knob in program_grid.knobs:
        place = knob.options.index(knob.default)
        weights = [1.0 / (1 + abs(n - place)) for n in range(len(knob.options))]
        chosen[knob.name] = int(sampled(s, list(knob.options), weights))
    s.on_grid(**chosen)


def grid(s: Schedule, machine: GpuMachine) -> None:
    """Loops on blocks and threads by the default schedule of a machine that is drawn."""
    threads = sampled(s, _THREADS, [0.2, 0.3, 0.6, 0.4, 1.0])
    blocks = sampled(s, _BLOCKS, [0.3, 0.4, 0.6, 1.0, 0.6, 0.4])
    width = sampled(s, _BYTES, [0.2, 0.3, 1.0])
    drawn = replace(
        machine, most_threads=int(threads), processors=int(blocks), vector_bytes=int(width)
    )
    made = default_gpu_schedule(s.program, drawn)
    if made.original is not s.program:
        raise ScheduleError("the loops of the program are marked for threads of the processor")
    s.trace.extend(made.trace)  # steps on the same program, which need not be proven again
    s.program = made.program
    fed = [loop for loop in walk(s.program.body) if isinstance(loop, For) and _is_fed(loop)]
    ahead = int(sampled(s, _AHEAD, [0.6, 0.5, 1.0, 0.3])) if fed else 0
    for loop in fed:
        if 0 < ahead < loop.extent:
            attempt(s, "pipeline", loop.var, [*[0] * (len(_parts(loop)) - 1), ahead])


def _is_fed(loop: For) -> bool:
    """Whether each iteration copies something to shared memory, and uses it after that."""
    if loop.kind is not LoopKind.SERIAL or loop.annotations or len(_parts(loop)) < 2:
        return False
    return all(
        buffer.scope is Scope.SHARED for part in _parts(loop)[:-1] for buffer, _ in writes_of(part)
    )


def _parts(loop: For) -> tuple[Stmt, ...]:
    return loop.body.stmts if isinstance(loop.body, Seq) else (loop.body,)
