"""Tiles that do not fit: what is done about the points that are left over.

By guard, as every split does it; by cutting them off as a nest of their own; or by padding the
operands of a sum of products.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import Var
from ...ir.program import blocks_of
from ...ir.rewrite import variables_of
from ...schedules.schedule import Schedule
from ...schedules.step import find_block
from .leaves import attempt
from .structure import Nest, nest_of, sampled

_GUARD, _CUT, _PAD = range(3)


@dataclass(frozen=True, eq=False)
class Fitted:
    """The nest whose loops are tiled from now on; ``loops`` are those that were asked about, in the
    same order, and ``rest`` the blocks that compute what was cut off."""

    nest: Nest
    loops: tuple[Var | None, ...]
    rest: tuple[str, ...] = ()


def fitted(s: Schedule, name: str, sizes: list[tuple[Var | None, int]]) -> Fitted:
    """The block ``name`` ready for tiles of these sizes along these loops."""
    nest = nest_of(s.program, name)
    loops = tuple(v for v, _ in sizes)
    uneven = [
        (v, size)
        for v, size in sizes
        if v is not None and size < nest.extents[v] and nest.extents[v] % size
    ]
    if not uneven:
        return Fitted(nest, loops)
    match sampled(s, [_GUARD, _CUT, _PAD], [1.0, 0.3, 0.3]):
        case 1:
            return _cut(s, name, nest, uneven, loops)
        case 2:
            return _padded(s, name, nest, uneven, loops)
        case _:
            return Fitted(nest, loops)


def _cut(
    s: Schedule,
    name: str,
    nest: Nest,
    uneven: list[tuple[Var, int]],
    loops: tuple[Var | None, ...],
) -> Fitted:
    before = {block.name for block in blocks_of(s.program.body)}
    heads: dict[Var, Var] = {}
    for var, size in uneven:
        s.reorder(var, *(v for v in s.loops(name) if v is not var))
        heads[var], _ = s.cut_loop(var, nest.extents[var] // size * size)
    rest = tuple(b.name for b in blocks_of(s.program.body) if b.name not in before)
    now = tuple(None if v is None else heads.get(v, v) for v in loops)
    return Fitted(nest_of(s.program, name), now, rest)


def _padded(
    s: Schedule,
    name: str,
    nest: Nest,
    uneven: list[tuple[Var, int]],
    loops: tuple[Var | None, ...],
) -> Fitted:
    paddings = []
    for it in find_block(s.program, name).iters:
        used = [size for v, size in uneven if any(w is v for w in variables_of(it.binding))]
        paddings.append(used[0] if used else 1)
    places = [
        None if v is None else next(n for n, loop in enumerate(nest.all) if loop.var is v)
        for v in loops
    ]
    if not attempt(s, "pad_einsum", name, paddings):
        return Fitted(nest, loops)
    wider = s.loops(name)
    return Fitted(nest_of(s.program, name), tuple(None if p is None else wider[p] for p in places))
