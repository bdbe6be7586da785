"""The integer core against brute force, and against islpy where it is installed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.integer_system import ONE, Form, System, Unknown, solve

Facts = list[list[list[tuple[Form, bool]]]]


@st.composite
def systems(draw: Any, reach: int = 4) -> tuple[list[tuple[int, int]], Facts]:
    """Bounds of up to four variables, and facts: a list of choices between groups of facts."""
    count = draw(st.integers(1, 4))
    bounds = []
    for _ in range(count):
        low = draw(st.integers(-reach, reach))
        bounds.append((low, low + draw(st.integers(0, reach))))
    fact = st.tuples(
        st.dictionaries(st.integers(-1, count - 1), st.integers(-9, 9), max_size=count + 1),
        st.booleans(),
    )
    group = st.lists(fact, min_size=1, max_size=2)
    one = group.map(lambda facts: [facts])
    facts = draw(st.lists(one | st.lists(group, min_size=2, max_size=3), max_size=5))
    return bounds, facts


def built(bounds: list[tuple[int, int]], facts: Facts) -> System:
    system = System()
    for low, high in bounds:
        system.variable(low, high)
    for alternatives in facts:
        system.choose(*(tuple(group) for group in alternatives))
    return system


def holds(point: Any, facts: Facts) -> bool:
    def value(form: Form) -> int:
        return sum(c * (1 if v == ONE else point[v]) for v, c in form.items())

    return all(
        any(
            all(value(form) == 0 if is_zero else value(form) >= 0 for form, is_zero in group)
            for group in alternatives
        )
        for alternatives in facts
    )


@settings(max_examples=250, deadline=None)
@given(systems())
def test_small_systems_agree_with_brute_force(drawn: Any) -> None:
    bounds, facts = drawn
    points = itertools.product(*(range(low, high + 1) for low, high in bounds))
    expected = any(holds(point, facts) for point in points)
    found = solve(built(bounds, facts))
    assert not isinstance(found, Unknown)
    if found is None:
        assert not expected
    else:
        assert all(low <= x <= high for x, (low, high) in zip(found, bounds))
        assert holds(found, facts)


@settings(max_examples=80, deadline=None)
@given(systems(reach=1000))
def test_wide_systems_agree_with_islpy(drawn: Any) -> None:
    isl = pytest.importorskip("islpy")
    bounds, facts = drawn
    names = [f"x{n}" for n in range(len(bounds))]

    def text(form: Form, is_zero: bool) -> str:
        terms = [str(c) if v == ONE else f"{c}*{names[v]}" for v, c in form.items()]
        return f"{' + '.join(terms) or 0} {'=' if is_zero else '>='} 0"

    parts = [f"{low} <= {x} <= {high}" for x, (low, high) in zip(names, bounds)]
    for alternatives in facts:
        groups = (" and ".join(text(*fact) for fact in group) for group in alternatives)
        parts.append("(" + " or ".join(f"({group})" for group in groups) + ")")
    known = isl.Set(f"{{ [{', '.join(names)}] : {' and '.join(parts)} }}")
    found = solve(built(bounds, facts), budget=4000)
    assert not isinstance(found, Unknown)
    assert (found is None) == known.is_empty()
    if found is not None:
        assert all(low <= x <= high for x, (low, high) in zip(found, bounds))
        assert holds(found, facts)


@pytest.mark.parametrize(
    ("bounds", "facts", "expected"),
    [
        # No two tiles of 16 share an element: 16 * d + e = 0 with d >= 1, |e| < 16.
        ([(1, 63), (-15, 15)], [({0: 16, 1: 1}, True)], None),
        ([(1, 63), (-16, 16)], [({0: 16, 1: 1}, True)], [1, -16]),
        # Parity: 2x - 4y = 1.
        ([(0, 10**6), (0, 10**6)], [({0: 2, 1: -4, ONE: -1}, True)], None),
        # x < y < z < x, over wide bounds.
        (
            [(0, 10**9)] * 3,
            [({0: -1, 1: 1, ONE: -1}, False), ({1: -1, 2: 1, ONE: -1}, False)]
            + [({2: -1, 0: 1, ONE: -1}, False)],
            None,
        ),
        # 6x + 10y + 15z = 1 has points only with signs that differ.
        ([(0, 10**6)] * 3, [({0: 6, 1: 10, 2: 15, ONE: -1}, True)], None),
        # Two equations without a unit coefficient whose lattices miss each other.
        (
            [(-(10**6), 10**6)] * 3,
            [({0: 2, 1: 3, 2: 5, ONE: -1}, True), ({0: 2, 1: 3, 2: -5, ONE: -2}, True)],
            None,
        ),
    ],
)
def test_answers_that_bounds_alone_do_not_give(
    bounds: Any, facts: Any, expected: list[int] | None
) -> None:
    assert solve(built(bounds, [[[fact]] for fact in facts])) == expected


def test_a_point_is_found_on_a_thin_lattice() -> None:
    facts: Facts = [[[({0: 7, 1: -11, 2: 13, ONE: -1}, True)]], [[({0: 1, ONE: -5000}, False)]]]
    found = solve(built([(0, 10**5)] * 3, facts))
    assert isinstance(found, list)
    assert holds(found, facts)


def test_a_spent_budget_is_said() -> None:
    # A subset-sum of numbers of one size: bounds and gcd say nothing.
    sizes = [10**6 + pow(7, n, 99991) for n in range(24)]
    form = dict(enumerate(sizes)) | {ONE: -sum(sizes[::2]) - 1}
    assert isinstance(solve(built([(0, 1)] * 24, [[[(form, True)]]]), budget=20), Unknown)
