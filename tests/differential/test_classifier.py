"""That what counts as rounding hides no bug: results with known ones are called different."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlc.errors import CompileError, UnsupportedError
from mlc.testing.closeness import is_inexact
from mlc.testing.comparing import compare, copied, run
from mlc.testing.rounding import shaken

from .compare import check
from .overlaps import reading_first
from .program import NumPyProgram, defined, draw_program, is_defined

PROGRAMS = 160
Run = Callable[..., Any]


_drawn = functools.cache(draw_program)


def _changed(change: Callable[[Any], Any]) -> Callable[[NumPyProgram], Run]:
    """A compiler that makes ``change`` of each result."""

    def compiled(program: NumPyProgram) -> Run:
        function = program.function()
        return lambda *args: tuple(change(np.array(value)) for value in function(*args))

    return compiled


def _rolled(value: Any) -> Any:
    return np.roll(value, 1)


def _without_nan(value: Any) -> Any:
    return (
        np.where(np.isnan(value), value.dtype.type(0), value) if is_inexact(value.dtype) else value
    )


def _one_off(value: Any) -> Any:
    """The last element wrong by a hundredth, or by one."""
    if value.size and value.dtype != bool and np.isfinite(value.reshape(-1)[-1]):
        flat, one = value.reshape(-1), value.dtype.type(1)
        flat[-1] = flat[-1] + (abs(flat[-1]) * 0.01 + 0.01 if is_inexact(value.dtype) else one)
    return value


def _narrowed(value: Any) -> Any:
    found = {"float64": "float32", "int64": "int32", "float32": "float16", "complex128": "F"}
    return value.astype(found.get(value.dtype.name, value.dtype.name))


def _without_last(value: Any) -> Any:
    """A loop that ends one too early leaves zeros."""
    if value.size:
        value.reshape(-1)[-1] = 0
    return value


def _without_writes(program: NumPyProgram) -> Run:
    function = program.function()
    return lambda *args: function(*[copied(a) for a in args])


def _with_axes(program: NumPyProgram) -> Run:
    """Each axis is another one."""
    source = re.sub(
        r"axis=(-?\d)", lambda m: f"axis={'0' if m[1] != '0' else '-1'}", program.source
    )
    return defined(source)


BUGS: dict[str, Callable[[NumPyProgram], Run]] = {
    "order": _changed(_rolled),
    "NaN": _changed(_without_nan),
    "one element": _changed(_one_off),
    "dtype": _changed(_narrowed),
    "last": _changed(_without_last),
    "lost writes": _without_writes,
    "axis": _with_axes,
}


@pytest.mark.parametrize("bug", BUGS)
def test_known_bugs_are_called_different(bug: str) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(PROGRAMS):
        program = _drawn(seed)
        function, wrong = program.function(), BUGS[bug](program)
        try:
            if _is_same(function, wrong, program.arguments):
                continue
        except Exception:  # an axis that is none is an error, which nobody misses
            continue
        outcome = compare(wrong, function, lambda s: shaken(function, s), program.arguments)
        kinds[outcome.kind] += 1
    assert kinds["different"] >= 5, kinds
    assert kinds.total() - kinds["different"] <= max(1, 0.05 * kinds.total()), kinds


def _is_same(one: Run, two: Run, arguments: Any) -> bool:
    """Whether both return and leave the same, but for the last bits."""
    pairs = zip(*([v for part in run(f, arguments) for v in part] for f in (one, two)), strict=True)
    return all(
        a.dtype == b.dtype and a.shape == b.shape and _is_close(a, b)
        for a, b in ((np.asarray(x), np.asarray(y)) for (_, x), (_, y) in pairs)
    )


def _is_close(a: Any, b: Any) -> bool:
    if not is_inexact(a.dtype):
        return np.array_equal(a, b)
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    return np.allclose(a.astype(wide), b.astype(wide), 1e-3, 1e-3, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("np.einsum('i,ij->j', x, y)", ([1.0, np.inf], [[1.0, -1.0], [np.inf, 2.0]])),
        ("x @ y", ([np.inf, 1.0], [[1.0], [-1.0]])),
        ("np.sum(x) + y[0, 0]", ([1e308, 1e308, -1e308], [[1.0]])),
        ("np.apply_along_axis(np.sum, 0, x) * y[0, 0]", ([1e16, 1.0, -1e16], [[1.0]])),
    ],
)
def test_orders_of_sums_are_no_difference(text: str, values: Any) -> None:
    function = defined(f"def program(x, y):\n    return {text}\n")
    x, y = map(np.array, values)
    with np.errstate(over="ignore"):
        want = np.asarray(function(x, y))

    def other(one: Any) -> Any:
        return compare(lambda *_: one.copy(), function, lambda s: shaken(function, s), (x, y)).kind

    assert other(want) == "same"
    if np.isfinite(want).all():
        assert other(want + 1) == "same"  # what has cancelled
        assert other(want + 1e3) == "different"
    else:
        assert other(np.where(np.isfinite(want), want, np.nan)) == "same"
        assert other(want.astype(np.float32)) == "different"
        if np.isfinite(want).any():
            assert other(np.where(np.isfinite(want), want + 1, want)) == "different"


def test_dropped_numbers_are_missed_in_sums() -> None:
    function = defined("def program(x):\n    return x.sum(axis=0)\n")
    x = np.array([[1.0, np.nan, np.inf], [2.0, 3.0, 4.0]])
    for wrong in ([3.0, 3.0, np.inf], [3.0, np.nan, 4.0], [3.0, np.nan, np.nan], [2.0] * 3):
        made = np.array(wrong)
        outcome = compare(
            lambda *_, made=made: made.copy(), function, lambda s: shaken(function, s), (x,)
        )
        assert outcome.kind == "different", wrong


@pytest.mark.parametrize("dtype", [int, np.float16, np.float64])
def test_nan_of_numbers_that_no_order_makes_too_large_is_no_accident(dtype: Any) -> None:
    function = defined("def program(x):\n    return np.mean(x, where=x > 9), np.nanstd(x[:0])\n")
    x = np.arange(5).astype(dtype)
    kind = np.mean(x).dtype.type
    near = lambda s: shaken(function, s)
    assert compare(lambda *_: (kind(0), kind(0)), function, near, (x,)).kind == "different"


@pytest.mark.parametrize(("error", "kind"), [(1e-16, "same"), (1e-12, "different")])
def test_signs_of_complex_numbers_round(error: float, kind: str) -> None:
    function = defined("def program(x):\n    return np.diff(np.sign(x))\n")
    x = np.array([3 + 4j, 6 + 8j])
    made = function(x) + error
    near = lambda s: shaken(function, s)
    assert compare(lambda *_: made.copy(), function, near, (x,)).kind == kind


@pytest.mark.parametrize(("x", "kind"), [(0.1, "same"), (0.100001, "different")])
def test_what_rounding_tells_apart_may_be_equal(x: float, kind: str) -> None:
    text = "d = x + 0.2 - 0.3\n    return np.heaviside(d, 200.0), x + 0.2 == 0.3"
    function = defined(f"def program(x):\n    {text}\n")
    met = lambda *_: (np.array([200.0]), np.array([True]))
    outcome = compare(met, function, lambda s: shaken(function, s), (np.array([x]),))
    assert outcome.kind == kind


@pytest.mark.parametrize(("error", "kind"), [(2e-7, "same"), (2e-5, "different")])
def test_sums_kept_in_a_narrower_dtype_round_as_that(error: float, kind: str) -> None:
    function = defined("def program(x):\n    return x.sum(dtype=np.float32) + x\n")
    x = np.linspace(-1.0, 1.1, 17)
    made = function(x) + error
    near = lambda s: shaken(function, s)
    assert compare(lambda *_: made.copy(), function, near, (x,)).kind == kind


@pytest.mark.parametrize(("error", "kind"), [(1e-17, "same"), (1e-13, "different")])
def test_what_is_solved_is_off_in_proportion_to_the_largest(error: float, kind: str) -> None:
    """What should be 0 need not be: LAPACK's errors are those of the whole matrix."""
    function = defined("def program(x, y):\n    return np.linalg.solve(x, y)\n")
    x = np.array([[9.0, 1.0, 0.0], [1.0, 9.0, 0.0], [0.0, 0.0, 3.0]])
    y = np.array([1.0, 2.0, 0.0])
    made = function(x, y) + error * np.array([0, 0, 1])
    near = lambda s: shaken(function, s)
    assert compare(lambda *_: made.copy(), function, near, (x, y)).kind == kind


@pytest.mark.parametrize(("error", "kind"), [(1e-16, "same"), (1e-12, "different")])
def test_edges_that_are_padded_with_means_round(error: float, kind: str) -> None:
    function = defined("def program(x):\n    return np.pad(x, 1, 'mean')\n")
    x = np.random.default_rng(0).normal(size=(5, 17))
    made = function(x) * (1 + error)
    near = lambda s: shaken(function, s)
    assert compare(lambda *_: made.copy(), function, near, (x,)).kind == kind


@pytest.mark.parametrize(
    ("largest", "error", "kind"),
    [(2**58, 128, "same"), (2**40, 1, "different")],
)
def test_edges_of_whole_numbers_round_where_these_are_large(
    largest: int, error: int, kind: str
) -> None:
    function = defined("def program(x):\n    return np.pad(x, 1, 'mean')\n")
    x = np.array([largest, largest + 12345, 3], np.int64)
    made = function(x)
    made[0] += error
    near = lambda s: shaken(function, s)
    assert compare(lambda *_: made.copy(), function, near, (x,)).kind == kind
    made = function(x)
    made[1] += error
    assert compare(lambda *_: made.copy(), function, near, (x,)).kind == "different"


@pytest.mark.parametrize("text", ["np.cumsum(x)", "x.cumsum()", "np.add.accumulate(x, axis=0)"])
def test_running_sums_in_few_digits_may_be_rounded_once(text: str) -> None:
    """NumPy rounds each: 72 more is 64 or 96 from 2**15 on."""
    function = defined(f"def program(x):\n    return {text}\n")
    x = np.full(700, 72, np.float16)
    exact = np.cumsum(x, dtype=np.float32).astype(np.float16)
    assert abs(exact[-1] - function(x)[-1]) > 1000
    near = lambda s: shaken(function, s)
    assert compare(lambda *_: exact.copy(), function, near, (x,)).kind == "same"
    exact[10] += 72
    assert compare(lambda *_: exact.copy(), function, near, (x,)).kind == "different"


def test_products_of_complex_numbers_in_einsum_round_in_both_parts() -> None:
    """Of equal parts the real one is nothing or an error: NumPy's own product has one."""
    function = defined("def program(x):\n    return np.einsum('i,i->i', x, x).real\n")
    x = np.array([-2.1417564695349163 * (1 + 1j), 3.0 + 1j])
    near = lambda s: shaken(function, s)
    for error, kind in ((2e-16, "same"), (1e-12, "different")):
        made = function(x) - error
        assert compare(lambda *_, made=made: made.copy(), function, near, (x,)).kind == kind


def test_a_complex_number_is_as_steady_as_both_of_its_parts() -> None:
    """Where rounding decides, NaN stands for both parts, though it has an imaginary one: 0."""
    function = defined("def program(x):\n    return np.where(x.real * 3 < 0.3, np.nan, x)\n")
    x = np.array([0.1 - 2j, 1.0 + 1j])
    outcome = compare(function, function, lambda s: shaken(function, s), (x,))
    assert outcome.kind in ("same", "unstable")
    moved = lambda x: function(x) * (1 + 1e-12)
    assert compare(moved, function, lambda s: shaken(function, s), (x,)).kind == "different"


@pytest.mark.parametrize(("error", "kind"), [(1e-16, "same"), (1e-12, "different")])
def test_products_of_lists_of_matrices_round_in_each(error: float, kind: str) -> None:
    """What cancels in the last product shows the rounding of those before."""
    function = defined("def program(x, y):\n    return np.linalg.multi_dot([x, y, x])\n")
    x = np.array([[1.0, 1.0], [3.0, 1.0]])
    y = np.array([[0.1, 0.2], [-0.1, -0.2]])
    made = function(x, y) + error
    near = lambda s: shaken(function, s)
    assert compare(lambda *_: made.copy(), function, near, (x, y)).kind == kind


def test_a_product_that_vanishes_may_meet_infinity_before_or_after() -> None:
    function = defined("def program(x):\n    return np.prod(x)\n")
    near = lambda s: shaken(function, s)
    made = lambda *_: np.float32(np.nan)
    small = np.array([1e-30, 1e-30, -np.inf], np.float32)
    assert compare(made, function, near, (small,)).kind != "different"
    assert compare(made, function, near, (small[1:],)).kind == "different"


def test_places_in_what_has_no_order_mean_nothing() -> None:
    function = defined("def program(x, y):\n    return np.searchsorted(x, y)\n")
    near = lambda s: shaken(function, s)
    moved = lambda x, y: function(x, y) + 1
    disorder, order = np.array([3.0, np.nan, 3.0]), np.array([1.0, 3.0, np.nan])
    assert compare(moved, function, near, (disorder, np.array([2.0]))).kind != "different"
    assert compare(moved, function, near, (order, np.array([2.0]))).kind == "different"


def test_sums_of_large_whole_numbers_round() -> None:
    function = defined("def program(x):\n    return np.mean(x)\n")
    near = lambda s: shaken(function, s)
    moved = lambda x: function(x) + 1.0
    large, small = np.array([2**62, -(2**62), 4]), np.array([5, -5, 4])
    assert compare(moved, function, near, (large,)).kind != "different"
    assert compare(moved, function, near, (small,)).kind == "different"


@pytest.mark.parametrize(("power", "error", "kind"), [
    (1000, 1e-13, "same"), (1000, 1e-8, "different"), (3, 1e-13, "different"),
])  # fmt: skip
def test_powers_of_complex_numbers_are_off_in_direction(
    power: int, error: float, kind: str
) -> None:
    """The angle of z**1000 is a thousand times that of z, and so is its error."""
    function = defined(f"def program(z):\n    return np.angle(z ** {power})\n")
    moved = lambda z: function(z) + error
    near = lambda s: shaken(function, s)
    assert compare(moved, function, near, (np.array([0.9 + 0.1j, 0.6 - 0.8j]),)).kind == kind


def test_errors_that_rounding_alone_brings_are_no_difference() -> None:
    """The program fails where another rounding makes the other branch run."""
    text = "d = x + 0.2 - 0.3\n    t = x if d > 0 else None\n    return t.sum()"
    function = defined(f"def program(x):\n    {text}\n")
    x = np.array([0.1])
    outcome = compare(function, function, lambda s: shaken(function, s), (x[0],))
    assert outcome.kind == "unstable"


def test_errors_of_numpy_itself_with_other_rounding_are_no_difference() -> None:
    """What rounding decides is how many there are, which np.lexsort does not take."""
    text = "kept = np.append(x[x > x * 1.0], 3)\n    return np.lexsort((x.ravel(), kept))"
    function = defined(f"def program(x):\n    {text}\n")
    x = np.array(-0.042686447501182556)
    outcome = compare(function, function, lambda s: shaken(function, s), (x,))
    assert outcome.kind == "unstable"


def test_which_of_two_sums_of_nothing_is_larger_is_open() -> None:
    def ordered(a: Any) -> Any:
        t = np.cross(a, a + 1)  # the elements of each row have the sum 0
        for i in range(len(t) - 1):
            if t[i].sum() > t[i + 1].sum():
                t[i], t[i + 1] = t[i + 1].copy(), t[i].copy()
        return t

    def backwards(a: Any) -> Any:
        t = np.cross(a, a + 1)
        for i in range(len(t) - 1):
            if t[i, ::-1].sum() > t[i + 1, ::-1].sum():
                t[i], t[i + 1] = t[i + 1].copy(), t[i].copy()
        return t

    source = np.random.default_rng(0)
    for _ in range(20):
        a = source.normal(size=(8, 3)) * np.array([1, 1, 1, 1, 1, 20, 1, 1])[:, None]
        near = lambda seed: shaken(ordered, seed)
        assert compare(backwards, ordered, near, [a]).kind == "same"
    steady = lambda a: np.where(a.sum() > 0, a.sum(axis=0), 0)
    off = lambda a: np.where(a.sum() > 0, a.sum(axis=0), 0) * (1 + 1e-9)
    assert compare(off, steady, lambda seed: shaken(steady, seed), [abs(a)]).kind == "different"


def test_what_is_steady_counts_beside_what_is_not() -> None:
    def function(x: Any) -> Any:
        return np.unique(x * 0.1), x.sum()  # how many there are rounding may decide

    x = np.array([1.0, 1.0, 3.0])
    near = lambda seed: shaken(function, seed)
    assert compare(function, function, near, [x]).kind == "unstable"
    wrong = lambda x: (np.unique(x * 0.1), x.sum() + 1)
    assert compare(wrong, function, near, [x]).text == (
        "the result[1]: np.float64(6.0) instead of np.float64(5.0) at ()"
    )


def test_steps_of_what_only_rounding_tells_apart_are_none() -> None:
    function = lambda x: np.diff(x / np.abs(x)) != 0
    x = np.array([1.0, 3.0, 7.0]) * (0.06097013394299731 - 0.18291040182899193j)
    other = lambda x: np.array([False, True])
    assert compare(other, function, lambda seed: shaken(function, seed), [x]).kind != "different"
    x[1] *= -1
    assert compare(other, function, lambda seed: shaken(function, seed), [x]).kind == "different"


def test_nothing_is_said_of_folds_that_make_integers_of_nan() -> None:
    x = np.array([1.0, np.nan])
    assert not is_defined(("t0 = np.sum(a0, dtype=np.uint32)",), [x])
    assert is_defined(("t0 = np.sum(a0, dtype=np.float32)",), [x])


def test_methods_of_arrays_of_no_axes_are_shaken() -> None:
    function = lambda x, y: x.dot(y) + x.sum()
    x, y = np.array(0.5), np.array([1, -1])
    assert compare(function, function, lambda seed: shaken(function, seed), [x, y]).kind == "same"


def test_a_bug_of_the_compiler_is_no_refusal() -> None:
    def broken(x: Any) -> Any:
        raise CompileError("LLVM refused generated code")

    def refusing(x: Any) -> Any:
        raise UnsupportedError("not this")

    def raising(x: Any) -> Any:
        raise ValueError("never")

    x = [np.ones(3)]
    assert compare(broken, np.abs, lambda seed: np.abs, x).kind == "different"
    assert compare(broken, raising, lambda seed: raising, x).kind == "different"
    assert compare(refusing, np.abs, lambda seed: np.abs, x).kind == "refused"
    assert compare(refusing, raising, lambda seed: raising, x).kind == "same"


@pytest.mark.parametrize("text", [
    "x.partition(2, axis=0)\n    return x", "return np.partition(x.T, [2], -1).T",
    "return x[np.argpartition(x[:, 0], kth=2)]",
])  # fmt: skip
def test_each_part_of_a_partition_is_in_any_order(text: str) -> None:
    function = defined(f"def program(x):\n    {text}\n")
    x = np.array([[5, 5], [3, 3], [9, 9], [1, 1], [7, 7]])
    near = lambda seed: shaken(function, seed)

    def kind(rows: Any) -> str:
        def made(x: Any) -> Any:
            found = function(x)
            found[...] = np.array(rows)[:, None]
            return found

        return compare(made, function, near, [x]).kind

    assert kind([1, 3, 5, 7, 9]) == kind([3, 1, 5, 9, 7]) == "same"
    assert kind([1, 3, 7, 5, 9]) == "different"


def test_integers_compare_with_bfloat16_where_rounding_decides() -> None:
    """There is no dtype for both, which NumPy needs none for."""
    import ml_dtypes

    function = defined("def program(x):\n    return x * 3 > np.int64(-2)\n")
    x = np.array([-0.66796875, 1.0], ml_dtypes.bfloat16)
    assert shaken(function, 1)(x).tolist() in ([False, True], [True, True])


def test_an_error_that_comes_of_a_dtype_which_is_ours_says_nothing() -> None:
    import ml_dtypes

    x = np.ones((2, 3), ml_dtypes.bfloat16)
    statements = "t0 = np.vecdot(a0, a0)", "t1 = np.zeros(2, np.common_type(t0))"
    program = NumPyProgram(statements, (x,), ("t0", "t1"))
    assert check(program).kind == "unstable"


def test_of_zeros_of_both_signs_an_extreme_is_either() -> None:
    """NumPy itself takes the first one or not, as the length has it that it compares in vectors."""
    a = np.where(np.arange(70) % 3 > 0, 0.0, -0.0)
    rows = [a[:n] for n in range(2, 70)]
    assert {bool(np.signbit(row.max())) for row in rows} == {True, False}
    text = "def program(x):\n    return np.signbit(np.nanmax(x, axis=-1))\n"
    function = defined(text)
    turned = lambda x: ~function(x)
    kind = lambda x: compare(turned, function, lambda s: shaken(function, s), (x,)).kind
    assert kind(np.array([[0.0, -1.0, -0.0], [-2.0, 0.0, -0.0]])) != "different"
    assert kind(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, -0.0]])) == "different"


def test_sums_of_large_whole_numbers_are_rounded_as_they_are_kept() -> None:
    function = defined("def program(x):\n    return x.sum(dtype=np.float32)\n")
    kind = lambda x: (
        compare(
            lambda x: function(x) + np.float32(11), function, lambda s: shaken(function, s), (x,)
        ).kind
    )
    assert kind(np.array([11, 2**63 - 2, 0, 2 - 2**63, -11])) == "same"
    assert kind(np.array([11, 2**20, 0, -(2**20), -11])) == "different"


@pytest.mark.parametrize("product", ["x @ y", "np.dot(x, y)"])
def test_products_of_large_whole_numbers_round(product: str) -> None:
    """Those of uint64 and int64 are of float64."""
    function = defined(f"def program(x, y):\n    return {product}\n")
    near, moved = (lambda s: shaken(function, s)), (lambda x, y: function(x, y) + 48)
    for largest, kind in ((2**64 - 2, "same"), (2**54, "same"), (2**20, "different")):
        x, y = np.array([largest, largest, 3], np.uint64), np.array([8, -8, 3])
        assert compare(moved, function, near, (x, y)).kind == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("v = a0[::-1]\na0[a0 < 1e3] = v\nt0 = a0 * 1", "unstable"),
        (
            "v = np.resize(a0, (17, 40))\nt0 = np.tensordot(v.T, v[:, :19], 1)\n"
            "np.concatenate([t0[1:], t0[:1]], out=t0)",
            "unstable",
        ),
        (
            "v = np.resize(a0, (17, 40))\nt0 = v.T @ v[:, :19]\n"
            "np.concatenate([t0[1:], t0[:1]], out=t0)",
            "same",
        ),
        ("a0 = a0.reshape(7, 1) + a0\nt0 = a0[:, 1:]\nnp.fill_diagonal(t0, a0)", "unstable"),
        ("t0 = a0 * 2\nt0[1:] = t0[:-1]", "same"),
    ],
)
def test_what_numpy_reads_after_it_was_written_says_nothing(text: str, kind: str) -> None:
    program = NumPyProgram((text,), (np.arange(1.0, 8),), ("t0",))
    assert check(program).kind == kind


def test_wrong_overlapping_writes_are_called_different() -> None:
    source, names = reading_first("def program(x):\n    x[1:] = x[:-1]\n    return x,\n")
    x = np.arange(1.0, 8)
    assert np.array_equal(defined(source, **names)(x.copy())[0], [1, 1, 2, 3, 4, 5, 6])
    wrong = lambda x: (np.full_like(x, x[0]),)  # each read after the write before it
    program = NumPyProgram(("a0[1:] = a0[:-1]",), (x,), ("a0",))
    near = lambda _: program.function()
    assert compare(wrong, program.function(), near, (x,)).kind == "different"


@pytest.mark.parametrize(
    ("text", "values", "is_open"),
    [
        ("t0 = np.isnan(np.corrcoef(a0))", [1.0, 1 + 2e-16, 1], True),
        ("t0 = np.isnan(np.corrcoef(a0))", [1.0, 1.001, 1], False),
        ("t0 = np.isnan(np.corrcoef(a0))", np.inf, False),
        ("a0 *= a0[::-1]\nt0 = a0[0] < 0", [1.3 + 1.3j], True),
        ("a0 *= a0[::-1]\nt0 = a0[0] < 0", [1.3 + 1.2j], False),
        ("a0 **= 2\nt0 = a0[0] < 0", [0.95 + 0.95j], True),
    ],
)
def test_what_errors_alone_decide_is_open(text: str, values: Any, is_open: bool) -> None:
    function = NumPyProgram((text,), (np.array(values),), ("t0",)).function()
    with np.errstate(all="ignore"):
        found = {bool(shaken(function, seed)(np.array(values))[0]) for seed in range(6)}
    assert (len(found) == 2) is is_open


def test_ints_that_compiled_code_cannot_hold_are_refused() -> None:
    program = NumPyProgram(("t0 = a0.item(0) + 1",), (np.array([2**64 - 3], np.uint64),), ("t0",))
    assert check(program).kind == "refused"


def test_what_only_rounding_makes_impossible_is_not_compared() -> None:
    def function(x: Any) -> Any:
        x[0] += 0.5  # the least int64, less some rounding, is no int64 any more
        return x

    x = np.array([-(2**63), 9])
    outcome = compare(function, function, lambda seed: shaken(function, seed), [x])
    assert outcome.kind in ("same", "unstable")
