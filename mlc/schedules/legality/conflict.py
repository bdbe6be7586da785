"""Whether two accesses can touch the same element in two iterations, and which ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...ir.affine import Sum, as_sum
from ...ir.expr import Expr, Var
from ...records import dataclass
from .accesses import Access

if TYPE_CHECKING:
    from ..refusal import Witness

# How far the second iteration is ahead of the first in a loop: (least, most); None is no limit.
Steps = Mapping[Var, tuple[int | None, int | None]]

_sums: dict[Expr, Sum] = {}
_MOST_SUMS = 4096


@dataclass(frozen=True)
class Conflict:
    """Two iterations that touch one element. ``is_certain`` is False where that depends on data;
    ``witness`` is None where the budget was spent and nothing is known."""

    witness: Witness | None
    is_certain: bool


def commute(a: Access, b: Access) -> bool:
    """Whether two accesses of one element may change places: updates with one commutative
    combiner, and reads."""
    if not a.changes and not b.changes:
        return True
    return (
        a.kind == b.kind == "combine"
        and a.combiner is b.combiner
        and a.combiner is not None
        and a.combiner.commutative
        and a.group == b.group
    )


def conflict(
    a: Access, b: Access, steps: Steps, ahead: Sequence[tuple[Expr, Expr, int, int]] = ()
) -> Conflict | None:
    """Two iterations in which ``a`` and ``b`` touch the same element, ``b``'s ahead of ``a``'s by
    ``steps`` in the loops that are around both; None if there are none.

    Loops around both that ``steps`` does not mention may stand anywhere in either iteration. Each
    ``(x, y, least, most)`` of ``ahead`` asks that ``y`` at the second iteration minus ``x`` at the
    first lies within these bounds.
    """
    if not a.changes and not b.changes or a.buffer is not b.buffer:
        return None
    limits = _limits(a, b, steps)
    if limits is None or _is_apart(a, b, limits):
        return None
    from .pairs import Pair  # most accesses are plainly apart

    pair = Pair(a, b, limits)
    if pair.system.is_empty:
        return None
    pair.require(ahead)
    return pair.answer()


def are_apart(a: Access, b: Access, steps: Steps) -> bool:
    """Whether it is plain that ``a`` and ``b`` do not meet; False says nothing."""
    limits = _limits(a, b, steps)
    return limits is None or _is_apart(a, b, limits)


def reach(a: Access, b: Access, steps: Steps) -> dict[Var, tuple[int, int]] | None:
    """Bounds of how far ``b``'s iteration is ahead of ``a``'s, in each loop around both, where the
    two meet; None if they never do. There may be less within the bounds, never more."""
    limits = _limits(a, b, steps)
    if limits is None:
        return None
    from .pairs import Pair

    pair = Pair(a, b, limits)
    pair.require(())
    if not pair.system.narrow():
        return None
    low, high = pair.system.low, pair.system.high
    return {
        a.loops[n].var: limits[n] if move is None else (low[move], high[move])
        for n, move in enumerate(pair.moves)
    }


def _limits(a: Access, b: Access, steps: Steps) -> list[tuple[int, int]] | None:
    """For each loop around both, how far the second iteration may be ahead; None if there is no
    such pair of iterations."""
    limits: list[tuple[int, int]] = []
    private = min(a.private, b.private)
    for x, y in zip(a.loops, b.loops):
        if x is not y:
            break
        least, most = steps.get(x.var, (None, None))
        low = 1 - x.extent if least is None else max(least, 1 - x.extent)
        high = x.extent - 1 if most is None else min(most, x.extent - 1)
        if len(limits) < private:
            low, high = max(low, 0), min(high, 0)
        if low > high:
            return None
        limits.append((low, high))
    return limits


def _is_apart(a: Access, b: Access, limits: list[tuple[int, int]]) -> bool:
    """Whether the same affine index keeps the two apart in one of the loops that must differ.

    ``i * 16 + j`` with ``j < 16`` does for ``i``: one step of ``i`` is more than all others make.
    """
    if not any(low > 0 or high < 0 for low, high in limits):
        return False
    steps = {loop.var: limit for loop, limit in zip(a.loops, limits)}
    for x, y, n, m in zip(a.indices, b.indices, a.extents, b.extents):
        if x is not y:
            continue
        total = _sums.get(x)
        if total is None:
            if len(_sums) >= _MOST_SUMS:
                _sums.clear()
            total = _sums[x] = as_sum(x)
        reach, low, high = max(n, m) - 1, 0, 0
        for atom, c in total.terms:
            limit = steps.get(atom) if isinstance(atom, Var) else None
            if limit is None:
                break
            least, most = limit
            low += c * (least if c > 0 else most)
            high += c * (most if c > 0 else least)
        else:
            if low > reach or high < -reach:
                return True
    return False
