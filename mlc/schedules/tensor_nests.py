"""Computations in one form, to be compared: loops around a statement or around several nests.

Blocks are dissolved, loops of one iteration are gone, and an init stands before its reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..ir.affine import as_sum
from ..ir.bounds import decide
from ..ir.expr import Expr, Var, const
from ..ir.program import (
    Accumulate,
    Block,
    Buffer,
    For,
    Seq,
    Stmt,
    Store,
    map_exprs,
    reads_of,
    walk,
)
from ..ir.rewrite import substitute, variables_of
from ..ir.scalar import SCALAR_FNS

Leaf = Store | Accumulate


@dataclass(frozen=True, eq=False)
class Nest:
    """``loops`` (variable, extent), outermost first, around one statement or several nests."""

    loops: tuple[tuple[Var, int], ...]
    inside: Leaf | tuple[Nest, ...]


class Mismatch(Exception):
    """``progress`` says how much agreed before: the furthest attempt is the one to report.

    Most attempts are never reported, so the message may be a function that makes it.
    """

    def __init__(self, message: str | Callable[[], str], progress: int) -> None:
        super().__init__()
        self._message = message
        self.progress = progress
        self.leaves: tuple[Leaf, Leaf] | None = None

    @property
    def message(self) -> str:
        """What differs, and in which two statements."""
        text = self._message if isinstance(self._message, str) else self._message()
        if self.leaves is None:
            return text
        wanted, found = map(leaf_text, self.leaves)
        return f"{text}:\n  expected {wanted}\n  found    {found}"


def nests_of(
    stmt: Stmt,
    values: Mapping[Var, Expr],
    loops: tuple[tuple[Var, int], ...],
    ranges: dict[Var, int],
) -> Nest:
    """The canonical form of ``stmt`` inside ``loops``, with ``values`` for axes and unit loops."""
    match stmt:
        case For(var=var, extent=1):
            return nests_of(stmt.body, {**values, var: const(0)}, loops, ranges)
        case For(var=var, extent=extent):
            ranges[var] = extent
            return nests_of(stmt.body, values, (*loops, (var, extent)), ranges)
        case Seq(stmts=stmts):
            return Nest(loops, _flat(nests_of(s, values, (), ranges) for s in stmts))
        case Block():
            return _block_nest(stmt, values, loops, ranges)
        case Store() | Accumulate():
            leaf = map_exprs(stmt, lambda e: substitute(e, values))
            assert isinstance(leaf, (Store, Accumulate))
            return Nest(loops, leaf)
        case _:
            kind = type(stmt).__name__
            raise Mismatch(f"loops, blocks and assignments can be matched, not a {kind}", 0)


def _block_nest(
    block: Block,
    values: Mapping[Var, Expr],
    loops: tuple[tuple[Var, int], ...],
    ranges: dict[Var, int],
) -> Nest:
    bound: dict[Var, Expr] = {it.axis: substitute(it.binding, values) for it in block.iters}
    if block.predicate is not None:
        if decide(substitute(block.predicate, values), ranges) is not True:
            raise Mismatch(f"block {block.name!r} has the condition {block.predicate!r}", 0)
    inner = {**values, **bound}
    body = nests_of(block.body, inner, loops, ranges)
    if block.init is None:
        return body
    set_here = {s.buffer for s in walk(block.init) if isinstance(s, Store)}
    if any(node.source in set_here for node in reads_of(block.body)):
        raise Mismatch(f"block {block.name!r} reads what its init sets", 0)
    reduced = {v for it in block.iters if it.axis.is_reduce for v in variables_of(bound[it.axis])}
    copies = {var: Var(var.name) for var, _ in loops if var not in reduced}
    fresh: dict[Var, Expr] = dict(copies)
    kept = tuple((copies[var], extent) for var, extent in loops if var not in reduced)
    ranges.update(kept)
    spatial: dict[Var, Expr] = {
        it.axis: substitute(bound[it.axis], fresh) for it in block.iters if not it.axis.is_reduce
    }
    init = nests_of(block.init, {**values, **spatial}, kept, ranges)
    return Nest((), _flat((init, body)))


def _flat(nests: Iterable[Nest]) -> tuple[Nest, ...]:
    """Nests in order; those that are nothing but nests in order are opened."""
    out: list[Nest] = []
    for nest in nests:
        if not nest.loops and isinstance(nest.inside, tuple):
            out.extend(nest.inside)
        else:
            out.append(nest)
    return tuple(out)


def any_order(nest: Nest) -> bool:
    """Whether the iterations of ``nest.loops`` may run in any order: what is written to one element
    is combined commutatively or written once, and nothing else of the buffer is read."""
    leaf = nest.inside
    if isinstance(leaf, tuple):
        return False
    targets = leaf.buffers if isinstance(leaf, Accumulate) else (leaf.buffer,)
    for node in reads_of(leaf):
        if any(node.source is target for target in targets):
            return False
    if isinstance(leaf, Accumulate):
        return leaf.combiner.commutative
    # written once: each loop alone decides one index
    alone = {total.terms[0][0] for total in map(as_sum, leaf.indices) if len(total.terms) == 1}
    return all(var in alone for var, _ in nest.loops)


def element_text(buffer: Buffer, indices: tuple[Expr, ...]) -> str:
    texts = [repr(as_sum(index).expr()) for index in indices]
    return f"{buffer.name}[{', '.join(texts) or '()'}]"


def leaf_text(leaf: Leaf) -> str:
    """One statement as in the script."""
    if isinstance(leaf, Store):
        return f"{element_text(leaf.buffer, leaf.indices)} = {leaf.value!r}"
    targets = ", ".join(element_text(buffer, leaf.indices) for buffer in leaf.buffers)
    values = ", ".join(map(repr, leaf.values))
    row = SCALAR_FNS.get(leaf.combiner.fn)
    if row is not None and row.infix:
        return f"{targets} {row.infix}= {values}"
    return f"{targets} = {leaf.combiner.name}({targets}, {values})"


def texts_of(nests: tuple[Nest, ...]) -> str:
    parts = [
        leaf_text(n.inside) if not isinstance(n.inside, tuple) else texts_of(n.inside)
        for n in nests
    ]
    return "; ".join(parts)
