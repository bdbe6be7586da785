"""Quotients and remainders of sums that come in whole groups."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.affine import as_sum
from mlc.ir.expr import Const, Var, apply, const
from mlc.ir.rewrite import substitute
from mlc.ir.simplify import merge_remainders, simplify

I, J, K = Var("i"), Var("j"), Var("k")


def test_only_whole_groups_decide() -> None:
    ranges = {I: 1000, J: 4}
    assert str(simplify((I * 4 + J) // 128, ranges)) == "i // 32"
    assert str(simplify((I * 4 + J) % 128, ranges)) == "i % 32 * 4 + j"
    assert str(simplify((I * 4 + J + 2) // 128, ranges)) == "(i * 4 + j + 2) // 128"
    assert str(simplify((I * 4 + J) // 126, ranges)) == "(i * 4 + j) // 126"
    whole = (I * 4 + J) // 128 * 128 + (I * 4 + J) % 128
    assert str(simplify(whole, ranges)) == "j + i * 4"


numbers = st.sampled_from([1, 2, 3, 4, 6, 8, 12, -1, -4])


@settings(max_examples=300, deadline=None)
@given(
    numbers, numbers, numbers, st.integers(-9, 9), st.sampled_from([2, 4, 6, 8, 12, 24]),
    st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3)), st.data(),
)  # fmt: skip
def test_values_stay(a, b, c, d, by, extents, data) -> None:
    ranges = dict(zip((I, J, K), extents, strict=True))
    at = {v: const(data.draw(st.integers(0, n - 1))) for v, n in ranges.items()}
    for fn in ("floordiv", "mod"):
        before = apply(fn, I * a + J * b + K * c + d, const(by))
        after = simplify(before, ranges)
        values = [simplify(substitute(e, at), {}) for e in (before, after)]
        assert all(isinstance(v, Const) for v in values)
        assert values[0].value == values[1].value, f"{before} -> {after}"


def test_parts_of_a_place_are_one_again() -> None:
    ranges = {I: 98, J: 16}
    place = I * 64 + J
    parts = [simplify(p, ranges) for p in (place // 784, place % 784 // 28, place % 28)]
    total = as_sum(parts[0] * 784 + parts[1] * 28 + parts[2])
    assert str(merge_remainders(total, ranges).expr()) == "j + i * 64"
    assert "%" in str(merge_remainders(total).expr())
    place = I * 64 + K + 32
    ranges = {I: 14400, K: 32}
    parts = [simplify(p, ranges) for p in (place // 3 // 640, place // 3 % 640, place % 3)]
    total = as_sum(parts[0] * 1920 + parts[1] * 3 + parts[2])
    assert str(merge_remainders(total, ranges).expr()) == "i * 64 + k + 32"
    for more in (48, 2108):  # a whole row or more, which its quotient alone has in front
        place = I * 64 + J + more
        ranges = {I: 1520, J: 16}
        parts = [simplify(p, ranges) for p in (place // 46 // 46, place // 46 % 46, place % 46)]
        parts[0] = simplify(place // 2116, ranges)
        total = as_sum(parts[0] * 2116 + parts[1] * 46 + parts[2])
        assert str(merge_remainders(total, ranges).expr()) == f"i * 64 + j + {more}"


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(*[st.sampled_from([1, 2, 3, 4, 6, 7, 8, 12, 16])] * 4), numbers,
    st.tuples(numbers, numbers, st.integers(-9, 9)),
    st.tuples(numbers, numbers, st.integers(-9, 9)),
    st.integers(0, 5000), st.integers(0, 5000),
)  # fmt: skip
def test_merged_remainders_are_equal(sizes, scale, first, second, i, j) -> None:
    m, d, inner, factor = sizes
    ranges = {I: 5001, J: 5001}
    y = I * first[0] + J * first[1] + first[2]
    z = apply("mod", y, const(m)) * inner + J * second[1] + second[2]
    x = y * inner + J * second[1] + second[2] + I * (d * second[0])
    total = as_sum(
        apply("mod", x, const(d)) * factor + apply("floordiv", z, const(d)) * (factor * d)
        + apply("floordiv", y, const(m)) * (m * inner * scale)
    )  # fmt: skip
    at = {I: const(i), J: const(j)}
    values = [
        simplify(substitute(t.expr(), at), {}) for t in (total, merge_remainders(total, ranges))
    ]
    assert values[0].value == values[1].value


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(*[st.sampled_from([1, 2, 3, 5, 7, 16, 30])] * 3), st.sampled_from([1, 4, 64, 30]),
    st.integers(0, 70), st.integers(0, 500), st.integers(0, 40), st.sampled_from([1, -1, 3]),
)  # fmt: skip
def test_places_in_many_axes_are_equal(shape, step, more, i, j, along) -> None:
    ranges = {I: 501, J: 41}
    place = I * step + J * along + more
    _, columns, last = shape
    parts = [place // last // columns, place // last % columns, place % last]
    parts = [simplify(part, ranges) for part in parts]
    total = as_sum(parts[0] * (columns * last) + parts[1] * last + parts[2] * 1)
    at = {I: const(i), J: const(j)}
    both = (place, merge_remainders(total, ranges).expr())
    values = [simplify(substitute(t, at), {}) for t in both]
    assert values[0].value == values[1].value
