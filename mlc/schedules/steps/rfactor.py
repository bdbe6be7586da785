"""rfactor: the parts that one reduce loop combines are kept apart, and combined afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...ir.expr import Axis, Const, Expr, Var, const, load, select
from ...ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    For,
    Iter,
    LoopKind,
    Program,
    Scope,
    Stmt,
    Store,
    map_exprs,
    seq,
)
from ...ir.rewrite import conjuncts, substitute, variables_of
from ...ir.simplify import simplify
from ...records import dataclass, replace
from ..legality.starts import starts_once_in
from ..legality.verification import verify
from ..placement import feeding, is_movable
from ..refusal import Point, Refusal, Witness
from ..step import Step, find_loop, fresh_block_name, path_to, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Rfactor(Step):
    """Iterations of ``loop`` combine into parts of their own, along dimension ``factor_axis`` of a
    new buffer; the block then combines the parts."""

    loop: Var
    factor_axis: int = 0

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        block = _block_of(loop)
        if block is None:
            return f"loop {self.loop.name} holds more than one block; use fission first"
        name = self.loop.name
        body = block.body
        if self.loop not in feeding(block, reduce=True):
            return f"loop {name} feeds no reduce axis of block {block.name!r}" + _others(block)
        if self.loop in feeding(block, reduce=False):
            return f"loop {name} feeds a spatial axis of block {block.name!r}, too; split it first"
        both = feeding(block, reduce=True) & feeding(block, reduce=False)
        for other in sorted(v.name for v in both):
            return (
                f"loop {other} feeds spatial and reduce axes of block {block.name!r}; the fold of "
                f"the parts needs loops of spatial axes alone: use rfactor before fuse"
            )
        if not isinstance(body, Accumulate) or block.init is None:
            return (
                f"block {block.name!r} is not a reduction with an init and one accumulation; "
                "rfactor comes before decompose_reduction"
            )
        problem = is_movable(block)
        if problem is not None:
            return problem
        if not -body.buffers[0].ndim - 1 <= self.factor_axis <= body.buffers[0].ndim:
            return (
                f"factor_axis is {self.factor_axis}; {body.buffers[0].name} has "
                f"{body.buffers[0].ndim} dimensions, so the new one is in 0..{body.buffers[0].ndim}"
            )
        nest = _chain(program, block)
        inside = {f.var for f in nest}
        for f in path_to(program, block.name):
            if isinstance(f, For) and f.var in feeding(block, reduce=True) - inside:
                return f"reduce loop {f.var.name} holds more than block {block.name!r}; use fission"
        beyond = sorted(v.name for v in feeding(block, reduce=True) - inside)
        if beyond:
            return (
                f"block {block.name!r} reduces over {', '.join(beyond)} of a block around it, too, "
                "and would have to leave that"
            )
        if not body.combiner.commutative:
            return _ordered(program, block, nest, loop)
        return _mixed(block, self.loop) or _unstarted(program, block) or _anew(block, nest)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        block = _block_of(find_loop(program, self.loop))
        assert block is not None
        nest = _chain(program, block)
        name = fresh_block_name(program, f"{block.name}_rf")
        stmt = _Factoring(block, nest, self.loop, self.factor_axis).run(name)
        return replace_loop(program, nest[0].var, lambda _: stmt), (name,)


def _others(block: Block) -> str:
    """Which loops could be factored instead."""
    mixed = feeding(block, reduce=False)
    names = sorted(v.name for v in feeding(block, reduce=True) - mixed)
    if not names:
        return ", which combines nothing: parallel and vectorize take it as it is"
    return f"; use s.rfactor({names[0]})"


def _block_of(loop: For) -> Block | None:
    stmt: Stmt = loop
    while isinstance(stmt, For):
        stmt = stmt.body
    return stmt if isinstance(stmt, Block) else None


def _chain(program: Program, block: Block) -> list[For]:
    """The loops that hold the block and nothing else, outermost first."""
    nest: list[For] = []
    for stmt in reversed(path_to(program, block.name)):
        if not isinstance(stmt, For):
            break
        nest.insert(0, stmt)
    return nest


def _ordered(program: Program, block: Block, nest: Sequence[For], loop: For) -> Refusal:
    body = block.body
    assert isinstance(body, Accumulate)
    zero = tuple((f.var.name, 0) for f in nest)
    later = tuple((f.var.name, int(f is loop)) for f in nest)
    first: dict[Var, Expr] = {it.axis: const(0) for it in block.iters}
    element = [simplify(substitute(index, first)) for index in body.indices]
    witness = Witness(
        Point(block.name, zero, "combines into"),
        Point(block.name, later, "combines into"),
        body.buffers[0].name,
        tuple(int(index.value) if isinstance(index, Const) else 0 for index in element),
    )
    return Refusal(
        f"block {block.name!r} folds with {body.combiner.name}, which is not commutative: its "
        "parts must be combined in order",
        witness if verify(program, witness) else None,
        "mark the reducer commutative if it is",
    )


def _mixed(block: Block, loop: Var) -> str | None:
    """A condition must not join the loop with spatial ones."""
    spatial = feeding(block, reduce=False)
    for test in conjuncts(block.predicate):
        used = set(variables_of(test))
        if loop in used and used & spatial:
            return f"the condition {test!r} of block {block.name!r} joins {loop.name} with others"
    joined = {v for e in _bindings_with(block, loop) for v in variables_of(e)}
    both = next(iter(joined & spatial), None)
    if both is not None:
        return f"loop {both.name} feeds spatial and reduce axes of block {block.name!r}"
    return None


def _bindings_with(block: Block, loop: Var) -> list[Expr]:
    """What the reduce axes that the loop feeds are bound to."""
    return [
        it.binding
        for it in block.iters
        if it.axis.is_reduce and any(v is loop for v in variables_of(it.binding))
    ]


class _Factoring:
    """The two nests in the place of one."""

    def __init__(self, block: Block, nest: Sequence[For], loop: Var, factor_axis: int) -> None:
        assert isinstance(block.body, Accumulate)
        self.block, self.nest, self.loop = block, nest, loop
        self.body = block.body
        ndim = self.body.buffers[0].ndim
        self.at = factor_axis if factor_axis >= 0 else ndim + 1 + factor_axis
        self.extent = next(f.extent for f in nest if f.var is loop)
        self.parts = tuple(
            Buffer(f"{b.name}_rf", self.widened(b.shape, self.extent), b.dtype, scope=Scope.STACK)
            for b in self.body.buffers
        )

    def widened(self, items: tuple[Any, ...], extra: Any) -> tuple[Any, ...]:
        """``items`` with ``extra`` in the new dimension."""
        return (*items[: self.at], extra, *items[self.at :])

    def run(self, name: str) -> Stmt:
        return Allocate(self.parts, seq(self.partial(name), self.final()))

    def partial(self, name: str) -> Stmt:
        """The old loops around a block of which the loop feeds a spatial axis."""
        block, extents = self.block, {f.var: f.extent for f in self.nest}
        part = Axis(self.loop.name, self.extent)
        taken: dict[Var, Axis] = {self.loop: part}
        mapping: dict[Var, Expr] = {}
        iters = [Iter(part, self.loop)]
        reduced: list[Iter] = []
        for it in block.iters:
            if not it.axis.is_reduce or not any(v is self.loop for v in variables_of(it.binding)):
                fresh = Axis(it.axis.name, it.axis.extent, it.axis.is_reduce)
                mapping[it.axis] = fresh
                (reduced if fresh.is_reduce else iters).append(Iter(fresh, it.binding))
                continue
            for var in variables_of(it.binding):
                if var not in taken:
                    taken[var] = Axis(var.name, extents[var], True)
                    reduced.append(Iter(taken[var], var))
            mapping[it.axis] = substitute(it.binding, taken)
        predicate: Expr | None = None
        guard: Expr | None = None
        for test in conjuncts(block.predicate):
            if any(v is self.loop for v in variables_of(test)):
                inner = substitute(test, taken)
                guard = inner if guard is None else guard & inner
            else:
                predicate = test if predicate is None else predicate & test
        values = tuple(substitute(value, mapping) for value in self.body.values)
        if guard is not None:
            identity = self.body.combiner.identity
            values = tuple(select(guard, v, e) for v, e in zip(values, identity, strict=True))
        own = tuple(substitute(index, mapping) for index in self.body.indices)
        indices = self.widened(own, part)
        init = seq(
            *(
                Store(buffer, indices, value)
                for buffer, value in zip(self.parts, self.body.combiner.identity, strict=True)
            )
        )
        body = Accumulate(self.body.combiner, self.parts, indices, values)
        has_reduce = bool(reduced)
        out: Stmt = Block(
            name,
            (*iters, *reduced),
            body if has_reduce else self.stored(body),
            init if has_reduce else None,
            predicate,
            block.location,
            block.annotations,
        )
        for f in reversed(self.nest):
            out = replace(f, body=out)
        return out

    def stored(self, body: Accumulate) -> Stmt:
        """Parts of one point each are not combined but stored."""
        pairs = zip(body.buffers, body.values, strict=True)
        return seq(*(Store(buffer, body.indices, value) for buffer, value in pairs))

    def final(self) -> Stmt:
        """The block again, over the parts."""
        block, reduced = self.block, feeding(self.block, reduce=True)
        kept = [f for f in self.nest if f.var is self.loop or f.var not in reduced]
        fresh = {f.var: Var(f.var.name) for f in kept}
        copies: dict[Var, Expr] = dict(fresh)
        spatial = [it for it in block.iters if not it.axis.is_reduce]
        part = Axis(self.loop.name, self.extent, True)
        axes = {it.axis: Axis(it.axis.name, it.axis.extent) for it in spatial}
        mapping: dict[Var, Expr] = dict(axes.items())
        indices = tuple(substitute(index, mapping) for index in self.body.indices)
        values = tuple(load(buffer, self.widened(indices, part)) for buffer in self.parts)
        predicate: Expr | None = None
        for test in conjuncts(block.predicate):
            if not reduced.intersection(variables_of(test)):
                test = substitute(test, copies)
                predicate = test if predicate is None else predicate & test
        assert block.init is not None
        out: Stmt = Block(
            block.name,
            (
                *(Iter(axes[it.axis], substitute(it.binding, copies)) for it in spatial),
                Iter(part, fresh[self.loop]),
            ),
            Accumulate(self.body.combiner, self.body.buffers, indices, values),
            map_exprs(block.init, lambda e: substitute(e, mapping)),
            predicate,
            block.location,
        )
        for f in reversed(kept):
            kind = LoopKind.SERIAL if f.var is self.loop else f.kind
            out = replace(f, var=fresh[f.var], body=out, kind=kind)
        return out


def _anew(block: Block, nest: Sequence[For]) -> Refusal | str | None:
    """A loop that feeds no axis starts the reduction anew: its parts would know nothing of that."""
    fed = feeding(block, reduce=True) | feeding(block, reduce=False)
    for loop in nest:
        if loop.extent > 1 and loop.var not in fed:
            return Refusal(
                f"block {block.name!r} starts anew in each iteration of {loop.var.name}, which "
                "feeds no axis of it: its parts would be combined in another order",
                None,
                f"factor a loop of a nest without {loop.var.name}",
                proven=False,
            )
    if starts_once_in(block, nest):
        return None
    names = ", ".join(f.var.name for f in nest)
    return Refusal(
        f"the reduction of block {block.name!r} starts anew within {names}, and its parts would be "
        f"combined with those of before",
        None,
        "factor before the loops are fused",
        proven=False,
    )


def _unstarted(program: Program, block: Block) -> Refusal | None:
    """Where the guard leaves out the point that initialises, the block goes on from what was there;
    the block over the parts would begin anew."""
    reduced = feeding(block, reduce=True)
    ranges = {f.var: f.extent for f in path_to(program, block.name) if isinstance(f, For)}
    first: dict[Var, Expr] = {var: const(0) for var in reduced}
    for test in conjuncts(block.predicate):
        if reduced.isdisjoint(variables_of(test)):
            continue
        if simplify(substitute(test, first), ranges) is not const(True):
            return Refusal(
                f"the guard {test!r} of block {block.name!r} may leave out the first point of its "
                "reduction, where its init runs",
                None,
                "write the guard as a T.select around the value",
                proven=False,
            )
    return None


def rfactor(s: Schedule, loop: Var, factor_axis: int = 0) -> str:
    """A reduction becomes two: over parts that do not touch each other, and over the parts.

    ``k0, k1 = s.split(k, [4, 32]); s.rfactor(k0)``::

        for k0, k1 in T.grid(4, 32):              t_rf = T.alloc((4,), "float32")
            with T.block("t"):                    for k0, k1 in T.grid(4, 32):
                vk = T.axis.reduce(...)               with T.block("t_rf"):
                with T.init():                            vk0, vk1 = T.remap("SR", [k0, k1])
                    t[0] = 0.0              ->            with T.init():
                t[0] += x[vk]                                 t_rf[vk0] = 0.0
                                                          t_rf[vk0] += x[vk0 * 32 + vk1]
                                                  for k0 in T.serial(4):
                                                      with T.block("t"):
                                                          vk0 = T.remap("R", [k0])
                                                          with T.init():
                                                              t[0] = 0.0
                                                          t[0] += t_rf[vk0]

    Returns the name of the block that makes the parts; its loop can be parallel or vectorized. The
    new dimension of the parts is number ``factor_axis``. Points that a guard leaves out count as
    the combiner's identity. Refused where the combiner is not commutative. Sums of floats are
    rounded in another order.
    """
    (made,) = s.take(Rfactor(loop, factor_axis))
    return made  # type: ignore[no-any-return]
