"""What is said of accesses that depend on each other, and what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...ir.expr import Apply, Const, Expr, Var, const
from ...ir.rewrite import loads_of, postorder, substitute
from ...ir.simplify import simplify
from ..refusal import Point, Refusal
from .accesses import Access
from .conflict import Conflict


def open_question(
    a: Access, b: Access, found: Conflict, rule: str, fix: Callable[[Access, Access], str]
) -> Refusal:
    """What is said of two accesses of which nothing is proven."""
    witness = found.witness
    if witness is not None:
        first, second = _element(a, witness.first), _element(b, witness.second)
        if first is not None and first == second:
            return Refusal(rule, replace(witness, element=first), fix(a, b))
        if any(loads_of(e) for e in (*a.indices, *b.indices, *a.guards, *b.guards)):
            rule += f", unless the data that indices of {a.buffer.name} depend on keep them apart"
            return Refusal(rule, witness, fix(a, b), proven=False)
    return Refusal(
        f"it could not be proven within the budget whether {rule}: accesses of "
        f"{a.buffer.name} in {_place(a)} and {_place(b)} are too involved",
        proven=False,
    )


def _element(access: Access, point: Point) -> tuple[int, ...] | None:
    """Which element ``access`` touches at ``point``, if its guards let it and no data decide."""
    values: dict[Var, Expr] = {
        loop.var: const(value) for loop, (_, value) in zip(access.loops, point.values)
    }
    if any(n != 1 for n in access.extents):
        return None
    if any(simplify(substitute(g, values)) is not const(True) for g in access.guards):
        return None
    indices = [simplify(substitute(index, values)) for index in access.indices]
    known = [int(index.value) for index in indices if isinstance(index, Const)]
    return tuple(known) if len(known) == len(indices) else None


def _place(access: Access) -> str:
    return f"block {access.block!r}" if access.block else "a statement outside of blocks"


def independence(a: Access, b: Access, loop: Var, started: set[str]) -> str:
    """What to do where iterations of ``loop`` depend on each other."""
    if a.kind == b.kind == "combine":
        if a.block and a.block not in started:
            return (
                f"take a loop that feeds spatial axes only; s.rfactor({loop.name}) would do if "
                f"block {a.block!r} had its init, so take it before s.decompose_reduction"
            )
        return f"use s.rfactor({loop.name}), or take a loop that feeds spatial axes only"
    if a.block == b.block and a.is_init != b.is_init:
        return f"use s.decompose_reduction({a.block!r}, ...) first"
    if a is b and any(map(_is_shifted, a.indices)):
        return (
            "the last tile of tail='shift' does some iterations again: split with tail='guard' or "
            "tail='cut' where tiles run at once"
        )
    return order_fix(a, b)


def _is_shifted(index: Expr) -> bool:
    """Whether a place stops before the end, as those of a last tile that begins earlier do."""
    return any(isinstance(node, Apply) and node.fn == "minimum" for node in postorder(index))


def order_fix(a: Access, b: Access) -> str:
    """What to do where two accesses must keep their order."""
    name = a.buffer.name
    if a.kind == b.kind == "combine":
        return "keep the order of these loops: the combiner is not commutative"
    if a.is_init != b.is_init and a.block == b.block:
        return f"use s.decompose_reduction({a.block!r}, ...) first"
    if "read" in (a.kind, b.kind):
        return f"keep the order, or write to a buffer of its own instead of {name}"
    return f"let each iteration write elements of {name} of its own"
