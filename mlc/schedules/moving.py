"""A block in new loops: which of its points run in one iteration of the loop that it moves under.

The points that one iteration runs form a *domain*: for each axis a range, whose start speaks of the
loops that stay around the block and whose extent is a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from ..ir.affine import as_sum
from ..ir.bounds import interval
from ..ir.expr import Apply, Axis, Expr, Var, const
from ..ir.program import (
    Allocate,
    Block,
    Buffer,
    For,
    If,
    Iter,
    LoopKind,
    Program,
    Seq,
    Stmt,
    blocks_of,
    seq,
)
from ..ir.rewrite import conjuncts, variables_of
from ..ir.simplify import simplify
from ..records import dataclass, replace
from .digits import Digit, Digits, digits_of, independent
from .placement import is_movable, path_to_loop, touched_buffers, without_block
from .regions import span_of
from .step import find_block, find_loop, loops_around, path_to, rebuild

Range = tuple[Expr, int]  # start, extent


@dataclass(frozen=True, eq=False)
class Move:
    """The facts about ``block`` on its way under ``target``.

    ``shared`` are the loops around both; ``around`` those around ``target``, itself included,
    that are not around the block yet. ``parent`` is the innermost statement that holds both;
    ``base`` is the domain that one iteration of the shared loops runs now.
    """

    block: Block
    target: For
    shared: tuple[For, ...]
    around: tuple[For, ...]
    parent: Stmt
    base: dict[Axis, Range]

    @property
    def extents(self) -> dict[Var, int]:
        """Those of all the loops that will be around the block."""
        return {loop.var: loop.extent for loop in (*self.shared, *self.around)}


@lru_cache(maxsize=16)  # a step asks when it is checked and when it is taken
def plan_move(program: Program, name: str, loop: Var) -> Move | str:
    """The facts, or a sentence why this block cannot move at all."""
    block, target = find_block(program, name), find_loop(program, loop)
    path, way = path_to(program, name), path_to_loop(program, loop)
    if target in path:
        return f"block {name!r} stands under loop {loop.name} already{_of_that_name(program, loop)}"
    problem = is_movable(block)
    if problem is not None:
        return f"{problem}; it cannot move"
    meet = sum(1 for _ in _together(path, way))
    own, around = path[meet:], [s for s in (*way[meet:], target) if isinstance(s, For)]
    shared = tuple(s for s in path[:meet] if isinstance(s, For))
    for stmt in (*own, *way[meet:]):
        if isinstance(stmt, (If, Block)):
            what = "a condition" if isinstance(stmt, If) else f"block {stmt.name!r}"
            return f"{what} stands around block {name!r} or loop {loop.name}; it would be left"
    touched = touched_buffers(block)
    for stmt in own:
        if isinstance(stmt, Allocate) and touched.intersection(stmt.buffers):
            inner = ", ".join(b.name for b in stmt.buffers if b in touched)
            return (
                f"block {name!r} uses memory that does not exist under loop {loop.name}: {inner} "
                f"is allocated around the loops of {name!r} alone; move {name!r} first, and then "
                f"take the step that makes {inner}"
            )
        if isinstance(stmt, For) and stmt.kind is not LoopKind.SERIAL:
            return (
                f"loop {stmt.var.name} around block {name!r} is {stmt.kind.value}; move the block "
                "before that"
            )
    if any(f.kind in (LoopKind.VECTORIZED, LoopKind.UNROLLED) for f in (*around, *shared)):
        return (
            f"loop {loop.name} is vectorized or unrolled, or inside such a loop; move before that"
        )
    base = _base(block, shared, [s for s in own if isinstance(s, For)])
    if isinstance(base, str):
        return base
    return Move(block, target, shared, tuple(around), path[meet - 1], base)


def _of_that_name(program: Program, loop: Var) -> str:
    """Where a step left two loops of one name, which block the other one is around."""
    for block in blocks_of(program.body):
        for other in loops_around(program, block.name):
            if other.var is not loop and other.var.name == loop.name:
                return (
                    f"; the loop {loop.name} around block {block.name!r} is another one, take it "
                    f"from s.loops({block.name!r})"
                )
    return ""


def _together(path: Sequence[Stmt], way: Sequence[Stmt]) -> Iterable[Stmt]:
    for a, b in zip(path, way, strict=False):
        if a is not b:
            return
        yield a


def _base(block: Block, shared: Sequence[For], own: Sequence[For]) -> dict[Axis, Range] | str:
    """What the block's own loops run through, each point once; a sentence where that is open."""
    inner = {f.var: f.extent for f in own}
    everything = {f.var: f.extent for f in shared} | inner
    found: dict[Axis, Range] = {}
    used: list[Digit] = []
    for it in block.iters:
        if any(inner.get(v) == 0 for v in variables_of(it.binding)):
            found[it.axis] = (const(0), 0)
            continue
        span = span_of(it.binding, inner)
        if span is None:
            return _unclear(block, it)
        digits = digits_of(it.binding - span[0], everything)
        if digits is None or digits.constant or not (digits.is_contiguous and digits.is_injective):
            return _unclear(block, it)
        used += [digit for _, digit in digits.terms]
        found[it.axis] = clipped(span, (const(0), it.axis.extent))
    if not independent(used):
        return f"the axes of block {block.name!r} depend on each other through its loops"
    fed = {v for it in block.iters for v in variables_of(it.binding)}
    is_idle = any(loop.extent == 0 for loop in own)
    for loop in own:
        if loop.extent == 1 or is_idle and loop.var in fed:
            continue
        if is_idle or not covers_loop(used, loop.var, loop.extent):
            return f"loop {loop.var.name} around block {block.name!r} feeds none of its axes"
    for test in conjuncts(block.predicate):
        if not any(is_guard(test, it) for it in block.iters):
            guards = [f"{it.binding!r} < {it.axis.extent}" for it in block.iters]
            return (
                f"block {block.name!r} has the condition {test!r}, which is not one that keeps an "
                f"axis in its range ({', '.join(guards)}); it cannot move"
            )
    return found


def clipped(span: Range, within: Range) -> Range:
    """``span`` cut to ``within`` where their starts differ by a number, else as it is."""
    if span[1] <= 0 or within[1] <= 0:
        return within[0], 0
    shift = as_sum(simplify(span[0] - within[0]))
    if shift.terms:
        return span
    low, high = max(0, shift.constant), min(within[1], shift.constant + span[1])
    return within if high <= low else (simplify(within[0] + low), high - low)


def _unclear(block: Block, it: Iter) -> str:
    return (
        f"axis {it.axis.name} of block {block.name!r} is bound to {it.binding!r}, which does not "
        "run through a range once; the block cannot move"
    )


def is_guard(test: Expr, it: Iter) -> bool:
    """Whether ``test`` says just that the binding is within the axis."""
    match test:
        case Apply(fn="lt", args=(a, b)):
            return simplify((a - it.binding) - (b - it.axis.extent)) is const(0)
        case Apply(fn="ge", args=(a, b)):
            return simplify((a - it.binding) - b) is const(0)
        case _:
            return False


def covers_loop(digits: Iterable[Digit], var: Var, extent: int) -> bool:
    """Whether the digits among these that are ``var``'s make up all of it."""
    reached = 1
    for digit in sorted((d for d in digits if d.var is var), key=lambda d: d.low):
        if digit.low != reached:
            return False
        reached = digit.low * digit.extent
    return reached >= extent


@dataclass(frozen=True)
class Cover:
    """How the domains of all iterations together make up the base domain.

    ``complete``: every point of it runs; ``repeating``: the loops of which several iterations run
    one point; None where neither is known.
    """

    complete: bool
    repeating: tuple[Var, ...]
    exact: bool


def cover_of(move: Move, domain: Mapping[Axis, Range]) -> Cover:
    """Whether the iterations of ``move.around`` cover the base domain, and how often.

    They must for all values that the loops around both places may have: those shift the interval
    that the iterations reach, and do not widen it.
    """
    loops = {f.var: f.extent for f in move.around}
    used: list[Digit] = []
    complete = injective = True
    for axis, (start, extent) in domain.items():
        base_start, base_extent = move.base[axis]
        offset = Var("offset")
        everything = {**move.extents, offset: extent}
        digits = digits_of(start + offset - base_start, everything)
        if digits is None:
            return Cover(False, (), False)
        used += [d for _, d in digits.terms if d.var in loops]
        injective = injective and digits.is_injective
        terms = tuple(t for t in digits.terms if t[1].var in loops or t[1].var is offset)
        reached = Digits(terms, digits.constant)
        shift = digits.greatest - reached.greatest
        if (
            reached.constant + shift > 0
            or reached.greatest < base_extent - 1
            or not reached.is_contiguous
        ):
            complete = False
    if not independent(used):
        return Cover(False, (), False)
    unused = [v for v, n in loops.items() if n > 1 and not covers_loop(used, v, n)]
    if not injective:
        unused = [v for v, n in loops.items() if n > 1]
    return Cover(complete, tuple(unused), True)


def loop_name(axis: Axis) -> str:
    """What a new loop over ``axis`` is called: ``vj`` is the axis of a loop ``j``, and ``v0`` that
    of ``ax0``."""
    name = axis.name.removeprefix("v")
    return name if name.isidentifier() else f"ax{name}"


def nest_of(move: Move, domain: Mapping[Axis, Range], confine: bool) -> tuple[Stmt, Block]:
    """The block in new loops over ``domain``.

    A predicate keeps it within its axes where the domain may leave them; with ``confine``, within
    the base domain too.
    """
    extents = dict(move.extents)
    loops: list[tuple[Var, int]] = []
    iters: list[Iter] = []
    tests: list[Expr] = []
    for it in move.block.iters:
        start, extent = domain[it.axis]
        binding = start
        if extent != 1:
            var = Var(loop_name(it.axis))
            loops.append((var, extent))
            extents[var] = extent
            binding = simplify(start + var, extents)
        iters.append(Iter(it.axis, binding))
        low, high = interval(binding, extents)
        if high >= it.axis.extent:
            tests.append(binding < it.axis.extent)
        if low < 0:
            tests.append(binding >= 0)
        base_start, base_extent = move.base[it.axis]
        if confine and (base_extent < it.axis.extent or base_start is not const(0)):
            offset = simplify(binding - base_start, extents)
            low, high = interval(offset, extents)
            if high >= base_extent:
                tests.append(offset < base_extent)
            if low < 0:
                tests.append(offset >= 0)
    predicate: Expr | None = None
    for test in tests:
        predicate = test if predicate is None else predicate & test
    block = replace(move.block, iters=tuple(iters), predicate=predicate)
    nest: Stmt = block
    for var, extent in reversed(loops):
        nest = For(var, extent, nest)
    return nest, block


def put(program: Program, move: Move, nest: Stmt, before: set[Buffer] | None = None) -> Program:
    """The program with the block gone from its place and ``nest`` under the target: at the end, or
    before the first statement there that touches a buffer of ``before``."""

    def on(stmt: Stmt) -> Stmt | None:
        if isinstance(stmt, For) and stmt.var is move.target.var:
            return replace(stmt, body=_insert(stmt.body, nest, before))
        return None

    gone = without_block(program.body, move.block.name)
    assert gone is not None
    return program.with_body(rebuild(gone, on))


def _insert(body: Stmt, nest: Stmt, before: set[Buffer] | None) -> Stmt:
    if isinstance(body, Allocate):
        return replace(body, body=_insert(body.body, nest, before))
    parts = body.stmts if isinstance(body, Seq) else (body,)
    if before is None:
        return seq(*parts, nest)
    place = next(n for n, s in enumerate(parts) if before & touched_buffers(s))
    return seq(*parts[:place], nest, *parts[place:])
