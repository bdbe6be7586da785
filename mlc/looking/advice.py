"""Steps that would help, as sentences. Those for vectors and threads are tried first."""

from __future__ import annotations

from math import prod

from ..errors import ScheduleError
from ..ir.expr import Var
from ..ir.program import Buffer, For, LoopKind, Program
from ..schedules.legality.accesses import Access
from ..schedules.schedule import Schedule
from ..schedules.step import Step
from ..schedules.steps.parallel import Parallel
from .cost import Part
from .lanes import heaviest_rows, lane_loop, patterns
from .machine import Facts, bytes_text, time_text
from .nests import STATIC, depends

MOST = 3  # sentences
_TASK_SECONDS = 50e-6  # below this, handing work to threads costs more than it brings


def advice(program: Program, part: Part, facts: Facts) -> list[str]:
    """At most three sentences for a part of ``program``, the most useful first; none for loops that
    are no block's."""
    rows = heaviest_rows(part.nest)
    if not rows or part.cost.seconds <= 0 or not rows[0].block:
        return []  # steps are taken on blocks
    loops = rows[0].loops
    found = [
        _vectors(program, rows, loops, facts),
        _waiting(part, rows, loops, facts),
        _lanes(rows, loops),
        _tiles(part, rows, loops, facts),
        _recomputing(part),
        _threads(program, part, loops, facts),
    ]
    out = [sentence for sentence in found if sentence][:MOST]
    return out or [_nothing(part)]


def _is_legal(step: Step, program: Program) -> bool:
    try:
        return step.check(program) is None
    except ScheduleError:  # the loop is inside of an intrinsic, which the program only calls
        return False


def _vectors(
    program: Program, rows: list[Access], loops: tuple[For, ...], facts: Facts
) -> str | None:
    lanes = facts.lanes(max(row.buffer.dtype.itemsize for row in rows))
    for loop in loops:
        if loop.kind is LoopKind.VECTORIZED:
            if loop.extent * 2 > lanes:
                return None
            return f"{loop.var.name} fills {loop.extent} of {lanes} lanes: split off {lanes}."
    smooth = [
        loop
        for loop in loops
        if loop.kind is LoopKind.SERIAL
        and loop.extent > 1
        and set(patterns(rows, loop.var).values()) <= {"contiguous", "same element"}
    ]
    written = [row for row in rows if row.changes]
    for best in reversed(smooth):
        if all(depends(row, best.var) for row in written):
            steps = _vector_steps(program, best, loops, lanes)
            if steps:
                return f"no loop is vectorized: {', '.join(steps)}."
    return _vector_sum(smooth, lanes)


def _vector_steps(program: Program, loop: For, loops: tuple[For, ...], lanes: int) -> list[str]:
    """The steps that make lanes of ``loop``, tried on the program; none if they are refused."""
    s, name = Schedule(program), loop.var.name
    steps, inner = [], loop.var
    try:
        if loop.extent > 2 * lanes:
            _, inner = s.split(loop.var, [None, lanes])
            steps.append(f"{name}_0, {name}_1 = s.split({name}, [None, {lanes}])")
            name = f"{name}_1"
        below = [other.var for other in loops[loops.index(loop) + 1 :]]
        if below:
            s.reorder(*below, inner)
            steps.append(f"s.reorder({', '.join(v.name for v in below)}, {name})")
        s.vectorize(inner)
    except ScheduleError:
        return []
    return [*steps, f"s.vectorize({name})"]


def _vector_sum(smooth: list[For], lanes: int) -> str | None:
    if not smooth:
        return None
    best = smooth[-1]
    name = best.var.name
    if best.extent < 2 * lanes:
        return None
    return (
        f"all iterations of {name} combine into one element: s.split({name}, [None, {lanes}]) and "
        f"s.rfactor({name}_1) give each lane a sum of its own, which s.vectorize can take."
    )


def _waiting(part: Part, rows: list[Access], loops: tuple[For, ...], facts: Facts) -> str | None:
    if part.cost.bound != "waiting":
        return None
    target = next((row.buffer for row in rows if row.kind == "combine"), rows[0].buffer)
    chain = next(loop for loop in reversed(loops) if loop.kind not in STATIC)
    outer = [
        loop
        for loop in loops[: loops.index(chain)]
        if all(depends(row, loop.var) for row in rows if row.buffer is target)
    ]
    start = (
        f"each step of {chain.var.name} waits {facts.latency:.0f} cycles for the sum in "
        f"{target.name} of the step before"
    )
    if not outer:
        return f"{start}: s.rfactor on a part of {chain.var.name} makes several sums."
    name = outer[-1].var.name
    return (
        f"{start}: keep several sums at a time, with a part of {name} unrolled or vectorized "
        f"inside of {chain.var.name}."
    )


def _lanes(rows: list[Access], loops: tuple[For, ...]) -> str | None:
    lane = lane_loop(loops)
    if lane is None:
        return None
    found = patterns(rows, lane.var)
    bad = {b: p for b, p in found.items() if p not in ("contiguous", "same element")}
    if not bad:
        return None
    buffer, how = next(iter(bad.items()))
    better = [
        loop.var.name
        for loop in loops
        if loop is not lane and patterns(rows, loop.var).get(buffer) == "contiguous"
    ]
    along = f"along {lane.var.name}, {buffer.name} is accessed with {how}"
    if how == "gathered":
        along = f"along {lane.var.name}, {buffer.name} is gathered"
    if not better:
        return f"{along}: s.transform_layout({buffer.name!r}, ...) puts those elements together."
    return (
        f"{along}; it is contiguous along {better[-1]}: make that the innermost loop with "
        f"s.reorder, or copy a tile of {buffer.name} with s.cache_read and read the copy."
    )


def _tiles(part: Part, rows: list[Access], loops: tuple[For, ...], facts: Facts) -> str | None:
    cache = next((c for c in facts.levels if part.cost.bound == f"bytes from {c.source}"), None)
    if cache is None:
        return None
    name = cache.name
    traffic = dict(part.moved)[name]
    whole = part.nest.whole
    ratio, buffer = max(
        ((count / whole[b].lines, b) for b, count in traffic.items()), key=lambda item: item[0]
    )
    if ratio < 3:
        return None
    nests = [n for n in part.nest.nests() if n.loop in loops]
    big = [n for n in nests if not cache.holds(n.one_iteration)]
    if not big:
        return None
    outer, cut = big[-1], _loop_to_cut(loops, big[-1].loop, buffer, rows)
    touched = sum(f.crowded(cache.sets) for f in outer.one_iteration.values())
    assert outer.loop is not None
    start = (
        f"one iteration of {outer.loop.var.name} touches {bytes_text(touched)}, more than {name}, "
        f"so {buffer.name} comes in about {ratio:.0f} times"
    )
    if cut is None:
        return f"{start}: fewer buffers at a time would help, with s.fission."
    factor = max(cut.extent * cache.size // (2 * touched), 1)
    factor = 1 << (factor.bit_length() - 1)
    return (
        f"{start}: s.split({cut.var.name}, [None, {factor}]), with {cut.var.name}_0 brought "
        f"outside of {outer.loop.var.name} by s.reorder, keeps a tile of it in {name}."
    )


def _loop_to_cut(
    loops: tuple[For, ...], outer: For | None, buffer: Buffer, rows: list[Access]
) -> For | None:
    """The longest loop inside of ``outer`` along which ``buffer`` is walked."""
    assert outer is not None
    inside = loops[loops.index(outer) + 1 :]
    mine = [row for row in rows if row.buffer is buffer]
    walked = [p for p in inside if any(depends(r, p.var) for r in mine) and p.kind not in STATIC]
    return max(walked, key=lambda loop: loop.extent, default=None)


def _recomputing(part: Part) -> str | None:
    for factor, block in part.recomputed:
        if factor >= 1.5:
            return (
                f"block {block} runs {factor:g} times as many points as it did: s.compute_at a "
                f"loop further out would compute fewer of them again."
            )
    return None


def _threads(program: Program, part: Part, loops: tuple[For, ...], facts: Facts) -> str | None:
    if facts.threads < 2 or part.cost.seconds < _TASK_SECONDS:
        return None
    if any(n.loop and n.loop.kind is LoopKind.PARALLEL for n in part.nest.nests()):
        return None
    loop = next((p for p in loops if p.extent >= facts.threads), None)
    own: Var | None = None if loop is None else loop.var
    if own is None or loop not in loops[:2] or not _is_legal(Parallel(own), program):
        return None
    each = part.cost.seconds / prod(p.extent for p in loops[: loops.index(loop) + 1])  # type: ignore[arg-type]
    grain = max(int(_TASK_SECONDS / each), 1)
    hint = f", {grain}" if 1 < grain <= loop.extent // facts.threads else ""  # type: ignore[union-attr]
    return (
        f"it runs on one thread of {facts.threads}: s.parallel({own.name}{hint}); one iteration "
        f"takes about {time_text(each)}."
    )


def _nothing(part: Part) -> str:
    match part.cost.bound:
        case "arithmetic":
            return "nothing: the arithmetic units are what is busy; only fewer operations help."
        case "bytes from L2" | "bytes from L3" | "bytes from memory":
            return (
                "little in this nest: what it touches comes in about once; computing it where it "
                "is used (compute_at, compute_inline) saves the way."
            )
        case "waiting":
            return "more sums at a time."
        case _:
            return (
                "more work for each instruction: unroll a short inner loop, or keep what is loaded "
                "in registers for several results."
            )
