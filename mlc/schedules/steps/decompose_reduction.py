"""decompose_reduction: what a reduction starts from becomes a block of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...ir.affine import as_sum
from ...ir.expr import Apply, Axis, Const, Expr, Var, const
from ...ir.program import (
    Allocate,
    Block,
    For,
    If,
    Iter,
    Program,
    Stmt,
    map_exprs,
    seq,
    writes_of,
)
from ...ir.rewrite import conjuncts, substitute, variables_of
from ...ir.simplify import simplify
from ...records import dataclass, replace
from ..legality.accesses import accesses_of
from ..legality.starts import starts_once_in
from ..legality.verification import verify
from ..placement import feeding, overtaken, written_buffers
from ..refusal import Point, Refusal, Witness
from ..step import (
    Step,
    block_name,
    find_block,
    find_loop,
    fresh_block_name,
    path_to,
    rebuild,
    replace_loop,
)

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class DecomposeReduction(Step):
    """``init`` leaves its block and runs before ``loop``, in copies of the spatial loops there."""

    block: str
    loop: Var

    def check(self, program: Program) -> Refusal | str | None:
        block, path = find_block(program, self.block), path_to(program, self.block)
        loop = find_loop(program, self.loop)
        if block.init is None:
            return f"block {block.name!r} has no init: it reduces nothing, or it is decomposed"
        at = next((n for n, stmt in enumerate(path) if stmt is loop), None)
        if at is None:
            return f"loop {self.loop.name} is not around block {block.name!r}"
        for stmt in path[at:]:
            if isinstance(stmt, (If, Block)):
                what = "a condition" if isinstance(stmt, If) else f"block {stmt.name!r}"
                return f"{what} stands between loop {self.loop.name} and block {block.name!r}"
            if isinstance(stmt, Allocate) and written_buffers(block) & set(stmt.buffers):
                return (
                    f"the result of block {block.name!r} is allocated inside loop "
                    f"{self.loop.name}; decompose at a loop inside that"
                )
        around = [stmt for stmt in path if isinstance(stmt, For)]
        outer = around[: around.index(loop)]
        return (
            _repeated(program, block, path, outer, around)
            or _lost(block, loop, around)
            or _unstarted(block, around)
            or _anew(block, around[len(outer) :])
            or _touched(program, block, loop, around)
        )

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        block, path = find_block(program, self.block), path_to(program, self.block)
        assert block.init is not None
        around = [stmt for stmt in path if isinstance(stmt, For)]
        inside = around[next(n for n, f in enumerate(around) if f.var is self.loop) :]
        name = fresh_block_name(program, f"{block.name}_init")
        start = _init_nest(block, inside, name)

        def change(loop: For) -> Stmt:
            return seq(start, _without_init(loop, block))

        return replace_loop(program, self.loop, change), (name,)


def _init_nest(block: Block, inside: Sequence[For], name: str) -> Stmt:
    spatial = [it for it in block.iters if not it.axis.is_reduce]
    fed = feeding(block, reduce=False)
    kept = [loop for loop in inside if loop.var in fed]
    fresh = {loop.var: Var(f"{loop.var.name}_init") for loop in kept}
    copies: dict[Var, Expr] = dict(fresh)
    first: dict[Var, Expr] = {loop.var: const(0) for loop in inside} | copies
    axes: dict[Var, Expr] = {it.axis: Axis(it.axis.name, it.axis.extent) for it in spatial}
    iters = tuple(Iter(axes[it.axis], substitute(it.binding, copies)) for it in spatial)  # type: ignore[arg-type]
    assert block.init is not None
    body = map_exprs(block.init, lambda e: substitute(e, axes))
    predicate = block.predicate
    if predicate is not None:
        extents = {loop.var: loop.extent for loop in inside}
        extents |= {fresh[loop.var]: loop.extent for loop in kept}
        predicate = simplify(substitute(predicate, first), extents)
    nest: Stmt = Block(
        name,
        iters,
        body,
        predicate=None if predicate is const(True) else predicate,
        location=block.location,
        annotations=block.annotations,
    )
    for loop in reversed(kept):
        nest = replace(loop, var=fresh[loop.var], body=nest)
    return nest


def _without_init(stmt: Stmt, block: Block) -> Stmt:
    def on(node: Stmt) -> Stmt | None:
        return replace(block, init=None) if node is block else None

    return rebuild(stmt, on)


def _repeated(
    program: Program,
    block: Block,
    path: Sequence[Stmt],
    outer: Sequence[For],
    around: Sequence[For],
) -> Refusal | None:
    """The init must not run again between two combinations of one element."""
    reduced = feeding(block, reduce=True)
    for stmt in reversed(path):
        if isinstance(stmt, Block):  # what feeds its axes feeds those bound to them
            for it in stmt.iters:
                if it.axis in reduced:
                    reduced.update(variables_of(it.binding))
    for loop in outer:
        if loop.extent <= 1 or loop.var not in reduced:
            continue
        zero = tuple((f.var.name, 0) for f in around)
        later = tuple((n, 1 if n == loop.var.name else v) for n, v in zero)
        mapping: dict[Var, Expr] = {f.var: const(0) for f in around}
        bound: dict[Var, Expr] = {it.axis: substitute(it.binding, mapping) for it in block.iters}
        buffer, indices = writes_of(block.body)[0]
        values = [simplify(substitute(index, bound)) for index in indices]
        witness = None
        if all(isinstance(value, Const) for value in values):
            witness = Witness(
                Point(block.name, zero, "writes"),
                Point(block.name, later, "combines into"),
                buffer.name,
                tuple(int(value.value) for value in values),  # type: ignore[attr-defined]
            )
            if not verify(program, witness):
                witness = None
        return Refusal(
            f"the init of block {block.name!r} must stand outside all its reduce loops, but "
            f"{loop.var.name} is one and stands around it",
            witness,
            f"decompose at {loop.var.name} or outside it, or reorder the spatial loops inside it",
        )
    return None


def _lost(block: Block, loop: For, around: Sequence[For]) -> Refusal | None:
    """A loop that no axis uses starts the reduction anew in each of its iterations."""
    used = feeding(block, reduce=True) | feeding(block, reduce=False)
    inside = around[around.index(loop) :]
    for inner in inside:
        if inner.extent > 1 and inner.var not in used:
            name = inner.var.name
            return Refusal(
                f"block {block.name!r} starts anew in each iteration of {name}, which feeds no "
                f"axis of it: {name}=1 would go on from what {name}=0 has left",
                None,
                f"decompose at a loop inside {name}",
            )
    return None


def _anew(block: Block, inside: Sequence[For]) -> Refusal | None:
    """Where the reduce axes come to 0 again, the init runs again; decomposed, it runs once."""
    if starts_once_in(block, inside):
        return None
    return Refusal(
        f"the reduction of block {block.name!r} starts anew within loop {inside[0].var.name}, and "
        "its init with it",
        None,
        "decompose at a loop inside that",
        proven=False,
    )


def _unstarted(block: Block, around: Sequence[For]) -> Refusal | None:
    """Where a guard leaves out the first point of a reduction, its init does not run. On a loop
    that counts spatial and reduce points in one, only an upper limit keeps the first ones."""
    spatial = feeding(block, reduce=False)
    zeros: dict[Var, Expr] = {f.var: const(0) for f in around if f.var not in spatial}
    for it in block.iters:
        if it.axis.is_reduce and spatial.isdisjoint(variables_of(it.binding)):
            if simplify(substitute(it.binding, zeros)) is not const(0):
                return Refusal(
                    f"axis {it.axis.name} of block {block.name!r}, bound to {it.binding!r}, is not "
                    "0 in the first iteration, where the new block takes the init to run",
                    None,
                    "decompose before the loops are shifted",
                    proven=False,
                )
    mixed = feeding(block, reduce=True) & spatial
    for test in conjuncts(block.predicate):
        if mixed.isdisjoint(variables_of(test)):
            continue
        match test:
            case Apply(fn="lt" | "le", args=(left, Const())):
                total = as_sum(left)
                if all(isinstance(v, Var) and c > 0 for v, c in total.terms):
                    continue
        return Refusal(
            f"the guard {test!r} of block {block.name!r} may leave out the first point of its "
            "reduction, where its init runs",
            None,
            "decompose before the loops are fused",
            proven=False,
        )
    return None


def _touched(program: Program, block: Block, loop: For, around: Sequence[For]) -> Refusal | None:
    """Nothing else under the loop may touch the result before it is initialised there."""
    own = written_buffers(block)
    rows = accesses_of(program).of(loop)
    starts = [row for row in rows if row.block == block.name and row.is_init and row.changes]
    at = around.index(loop)
    outside, inside = [f.var for f in around[:at]], [f.var for f in around[at:]]
    for other in rows:
        if other.buffer not in own or (other.block == block.name and other.changes):
            continue
        common = {f.var for f in other.loops}
        for start in starts:
            found = overtaken(other, start, outside, [v for v in inside if v in common])
            if found is None:
                continue
            witness = found[0].witness
            return Refusal(
                f"block {other.block!r} touches {other.buffer.name} under loop {loop.var.name}, "
                f"before block {block.name!r} initialises it there",
                witness,
                "decompose at a loop that holds only this block",
                proven=witness is not None and found[0].is_certain,
            )
    return None


def decompose_reduction(s: Schedule, block: Block | str, loop: Var) -> str:
    """The init of a reduction becomes a block of its own; returns its name.

    ``s.decompose_reduction("Y", k)``::

        for k, j in T.grid(5, 6):                  for j_init in T.serial(6):
            with T.block("Y"):                         with T.block("Y_init"):
                vj, vk = T.remap("SR", [j, k])             vj = T.remap("S", [j_init])
                with T.init():                 ->          Y[vj] = 0.0
                    Y[vj] = 0.0                    for k, j in T.grid(5, 6):
                Y[vj] += A[vk] * B[vk, vj]             with T.block("Y"):
                                                           vj, vk = T.remap("SR", [j, k])
                                                           Y[vj] += A[vk] * B[vk, vj]

    The new block stands right before ``loop``, in copies of the loops inside it that feed spatial
    axes. Refused where a reduce loop stands outside ``loop``: the init would run again after part
    of the result has been combined.
    """
    (made,) = s.take(DecomposeReduction(block_name(block), loop))
    return made  # type: ignore[no-any-return]
