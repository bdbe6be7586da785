"""The plain truth about small programs: every iteration is run and every touch written down.

It shares nothing with the engine under test but the programs themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlc.ir.combiner import reducer
from mlc.ir.expr import Apply, Axis, Const, Expr, Load, Select, Var, load
from mlc.ir.program import Accumulate, Allocate, Block, For, If, Program, Seq, Stmt, Store
from mlc.ir.rewrite import loads_of

UPDATES = {"add": "sum", "mul": "prod", "maximum": "max", "minimum": "min"}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "minimum": min,
    "maximum": max,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "bitand": lambda a, b: a & b,
    "bitor": lambda a, b: a | b,
    "invert": lambda a: not a,
}


def evaluate(expr: Expr, env: dict[Var, int]) -> Any:
    match expr:
        case Const(value=value):
            return value
        case Var():
            return env[expr]
        case Apply(fn=fn, args=args):
            return FUNCTIONS[fn](*(evaluate(arg, env) for arg in args))
        case Select(condition=c, then=a, otherwise=b):
            return evaluate(a if evaluate(c, env) else b, env)
    raise AssertionError(expr)


@dataclass(frozen=True)
class Touch:
    """One access in one iteration: ``loops`` are (loop variable, value), outermost first;
    ``path`` holds the statements around it."""

    order: int
    loops: tuple[tuple[Var, int], ...]
    path: tuple[Stmt, ...]
    cell: tuple[Any, ...]
    kind: str
    combiner: Any

    def value(self, var: Var) -> int | None:
        return next((v for x, v in self.loops if x is var), None)


def commute(a: Touch, b: Touch) -> bool:
    if a.kind == b.kind == "read":
        return True
    return a.kind == b.kind == "combine" and a.combiner is b.combiner and a.combiner.commutative


def self_update(stmt: Store) -> tuple[Any, Expr] | None:
    """``X[i] = X[i] + e`` as (sum, e): such stores count as combining, as users mean them."""
    value, own = stmt.value, load(stmt.buffer, stmt.indices)
    if isinstance(value, Apply) and value.fn in UPDATES:
        for n in (0, 1):
            other = value.args[1 - n]
            if value.args[n] is own and all(r.source is not stmt.buffer for r in loads_of(other)):
                return reducer(UPDATES[value.fn], stmt.buffer.dtype), other
    return None


class _Run:
    def __init__(self) -> None:
        self.touches: list[Touch] = []
        self.lives: dict[Any, int] = {}
        self.made = 0

    def touch(
        self, context: Any, buffer: Any, indices: Any, kind: str, combiner: Any = None
    ) -> None:
        loops, path, env = context
        element = tuple(evaluate(index, env) for index in indices)
        cell = (buffer, self.lives.get(buffer, 0), element)
        self.touches.append(Touch(len(self.touches), loops, path, cell, kind, combiner))

    def reads(self, context: Any, expr: Expr) -> None:
        match expr:
            case Load(source=source, indices=indices):
                self.touch(context, source, indices, "read")
            case Select(condition=c, then=a, otherwise=b):
                self.reads(context, a if evaluate(c, context[2]) else b)
            case _:
                for child in expr.children:
                    self.reads(context, child)

    def run(self, stmt: Stmt, loops: Any, path: Any, env: dict[Var, int]) -> None:
        path = (*path, stmt)
        context = (loops, path, env)
        match stmt:
            case For(var=var, extent=extent, body=body):
                for n in range(extent):
                    self.run(body, (*loops, (var, n)), path, env | {var: n})
            case Seq(stmts=stmts):
                for part in stmts:
                    self.run(part, loops, path, env)
            case Allocate(buffers=buffers, body=body):
                for buffer in buffers:
                    self.made += 1
                    self.lives[buffer] = self.made
                self.run(body, loops, path, env)
            case If(condition=condition, then=then, otherwise=otherwise):
                if evaluate(condition, env):
                    self.run(then, loops, path, env)
                elif otherwise is not None:
                    self.run(otherwise, loops, path, env)
            case Block(iters=iters, body=body, init=init, predicate=predicate):
                if predicate is not None and not evaluate(predicate, env):
                    return
                inner = env | {it.axis: evaluate(it.binding, env) for it in iters}
                if init is not None and not any(
                    inner[it.axis] for it in iters if it.axis.is_reduce
                ):
                    self.run(init, loops, path, inner)
                self.run(body, loops, path, inner)
            case Store(buffer=buffer, indices=indices, value=value):
                update = self_update(stmt)
                self.reads(context, value if update is None else update[1])
                kind = "write" if update is None else "combine"
                self.touch(context, buffer, indices, kind, update and update[0])
            case Accumulate(combiner=combiner, buffers=buffers, indices=indices, values=values):
                for value in values:
                    self.reads(context, value)
                for buffer in buffers:
                    self.touch(context, buffer, indices, "combine", combiner)


def touches_of(program: Program) -> list[Touch]:
    run = _Run()
    run.run(program.body, (), (), {})
    return run.touches


def meeting(touches: list[Touch]) -> Iterator[tuple[Touch, Touch]]:
    """Each two touches of one element, in program order."""
    cells: dict[Any, list[Touch]] = {}
    for touch in touches:
        cells.setdefault(touch.cell, []).append(touch)
    for group in cells.values():
        for n, a in enumerate(group):
            for b in group[n + 1 :]:
                yield a, b


def outer_values(touch: Touch, loop: Var) -> tuple[int, ...]:
    """The values of the loops around ``loop``."""
    values = []
    for var, value in touch.loops:
        if var is loop:
            break
        values.append(value)
    return tuple(values)


def is_carried(program: Program, loop: Var) -> bool:
    return any(
        (a.kind != "read" or b.kind != "read")
        and a.value(loop) is not None
        and b.value(loop) is not None
        and a.value(loop) != b.value(loop)
        and outer_values(a, loop) == outer_values(b, loop)
        for a, b in meeting(touches_of(program))
    )


def is_reversed(touches: list[Touch], new_order: Callable[[Touch], Any]) -> bool:
    """Whether two touches that do not commute come the other way round by ``new_order``."""
    return any(not commute(a, b) and new_order(a) > new_order(b) for a, b in meeting(touches))


def breaks_when_reordered(program: Program, chain: list[For], order: list[Var]) -> bool:
    inside = [t for t in touches_of(program) if t.value(chain[0].var) is not None]

    def key(touch: Touch) -> Any:
        around = outer_values(touch, chain[0].var)
        return around, tuple(touch.value(var) for var in order), touch.order

    return is_reversed(inside, key)


def breaks_when_cut(program: Program, loop: For, position: int) -> bool:
    assert isinstance(loop.body, Seq)
    first = loop.body.stmts[:position]

    def key(touch: Touch) -> Any:
        part = not any(stmt in touch.path for stmt in first)
        return outer_values(touch, loop.var), part, touch.value(loop.var), touch.order

    return is_reversed([t for t in touches_of(program) if loop in t.path], key)


def breaks_when_merged(program: Program, first: For, second: For) -> bool:
    def key(touch: Touch) -> Any:
        loop = first if first in touch.path else second
        return outer_values(touch, loop.var), touch.value(loop.var), touch.order

    inside = [t for t in touches_of(program) if first in t.path or second in t.path]
    return is_reversed(inside, key)


def breaks_when_swapped(program: Program, earlier: Stmt, later: Stmt) -> bool:
    """Both stand directly in one sequence."""
    touches = touches_of(program)

    def loops_around(stmt: Stmt, touch: Touch) -> int:
        return sum(isinstance(s, For) for s in touch.path[: touch.path.index(stmt)])

    def key(touch: Touch) -> Any:
        stmt = earlier if earlier in touch.path else later
        around = tuple(v for _, v in touch.loops[: loops_around(stmt, touch)])
        return around, stmt is earlier, touch.order

    return is_reversed([t for t in touches if earlier in t.path or later in t.path], key)


def spatial_clash(program: Program, block: Block) -> bool:
    """Two points of the block, different in a spatial axis, change one element."""
    axes = [it.axis for it in block.iters if not it.axis.is_reduce]
    return _clash(program, block, axes, lambda a, b: True)


def reduce_clash(program: Program, block: Block) -> bool:
    """Two points that differ in reduce axes alone change one element, not by combining."""
    spatial = [it.axis for it in block.iters if not it.axis.is_reduce]
    reduced = [it.axis for it in block.iters if it.axis.is_reduce]

    def counts(a: Touch, b: Touch) -> bool:
        same = a.kind == b.kind == "combine" and a.combiner is b.combiner
        return not same and not any(block.init in t.path for t in (a, b))

    return _clash(program, block, reduced, counts, spatial)


def _clash(
    program: Program,
    block: Block,
    differing: list[Axis],
    counts: Callable[[Touch, Touch], bool],
    equal: list[Axis] | None = None,
) -> bool:
    bindings = {it.axis: it.binding for it in block.iters}

    def point(touch: Touch, axes: list[Axis]) -> tuple[int, ...]:
        return tuple(evaluate(bindings[axis], dict(touch.loops)) for axis in axes)

    return any(
        a.kind != "read" != b.kind
        and counts(a, b)
        and point(a, differing) != point(b, differing)
        and (equal is None or point(a, equal) == point(b, equal))
        for a, b in meeting([t for t in touches_of(program) if block in t.path])
    )
