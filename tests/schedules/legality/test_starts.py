"""Where reductions begin: answers are held against all iterations of small loops."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc.ir.expr import Expr, Var, apply, const
from mlc.ir.program import For, Seq
from mlc.schedules.legality.starts import count_from_zero
from tests.schedules.legality.brute_force import evaluate

I, J = Var("i"), Var("j")
NOTHING = Seq(())


def nest(**extents: int) -> list[For]:
    return [For({"i": I, "j": J}[name], extent, NOTHING) for name, extent in extents.items()]


def begins_at_zero(bindings: list[Expr], guards: list[Expr], loops: list[For]) -> bool:
    """Whether the first iteration in which no binding is below 0 and the guards hold is that in
    which all are 0, and the guards hold nowhere below 0."""
    points = [
        dict(zip((f.var for f in loops), values))
        for values in product(*(range(f.extent) for f in loops))
    ]
    held = [p for p in points if all(evaluate(g, p) for g in guards)]
    values = [[evaluate(b, p) for b in bindings] for p in held]
    return bool(values) and not any(values[0]) and min(map(min, values)) == 0


COUNTED = {
    "a loop": ([I * 1], [], nest(i=4)),
    "one of two": ([J * 1], [], nest(i=3, j=4)),
    "split": ([I * 4 + J], [], nest(i=3, j=4)),
    "each its own": ([I * 1, J * 1], [], nest(i=3, j=4)),
    "fused": ([I // 4, I % 4], [], nest(i=12)),
    "guarded from below": ([I - 2], [I >= 2], nest(i=6)),
    "guarded tiles": ([I * 4 + J - 2], [I * 4 + J >= 2], nest(i=3, j=4)),
    "what guards leave": ([I * 4 + J - 4], [I > 0], nest(i=3, j=4)),
}
NOT_COUNTED = {
    "inner loop outside": ([I * 4 + J], [], nest(j=4, i=3)),
    "a gap": ([I * 5 + J], [], nest(i=3, j=4)),
    "numbers twice": ([I * 3 + J], [], nest(i=3, j=4)),
    "from 1": ([I + 1], [], nest(i=4)),
    "to -1": ([I - 4], [], nest(i=4)),
    "below 0": ([I - 2], [], nest(i=6)),
    "not far enough": ([I - 2], [I >= 1], nest(i=6)),
    "downwards": ([3 - I], [], nest(i=4)),
    "never together": ([I * 1, I - 2], [I >= 2], nest(i=6)),
}


def test_what_counts_from_zero() -> None:
    for name, (bindings, guards, loops) in COUNTED.items():
        is_known = name != "fused"  # two numbers of one loop: left open
        assert count_from_zero(bindings, guards, loops) == is_known, name
        assert begins_at_zero(bindings, guards, loops), name


@pytest.mark.parametrize("name", NOT_COUNTED)
def test_what_does_not(name: str) -> None:
    bindings, guards, loops = NOT_COUNTED[name]
    assert not count_from_zero(bindings, guards, loops)


@given(st.data())
def test_any_digits(data: Any) -> None:
    draw = data.draw
    loops = draw(st.permutations(nest(i=draw(st.integers(1, 4)), j=draw(st.integers(2, 4)))))
    numbers = st.sampled_from([0, 1, 1, 2, 3, 4])
    bindings = [
        I * draw(numbers) + J * draw(numbers) - draw(st.sampled_from([0, 0, 1, 2]))
        for _ in range(draw(st.sampled_from([1, 1, 2])))
    ]
    low = draw(st.integers(0, 4))
    guards = [apply("ge", b, const(0)) for b in bindings] if draw(st.booleans()) else [low <= I + J]
    if count_from_zero(bindings, guards, loops):
        first = [apply("ge", b, const(0)) for b in bindings]
        assert begins_at_zero(bindings, first, loops)
