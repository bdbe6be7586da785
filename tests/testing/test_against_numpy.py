"""check_against_numpy and check_op: they accept what is right, find what is wrong, and print it."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
import mlc.testing
from mlc import te
from mlc.testing.closeness import single
from mlc.testing.comparing import copied, differs
from mlc.testing.rounding import shaken

SCALE = 2.0


@mlc.op
def window_sum(x: Any, *, width: int = 3) -> Any:
    r = te.reduce_axis(width)
    return te.compute((x.shape[0] - width + 1,), lambda i: te.sum(x[i + r], axis=r))


def windows(x: Any, width: int = 3) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, width).sum(-1)


def wrong_at_the_end(x: Any, width: int = 3) -> Any:
    y = windows(x, width) * SCALE / 2
    y[-1] += y.size > 2
    return y


def standardized(x: Any, shift: Any) -> Any:
    z = (x - x.mean()) / x.std()
    z[1:] += shift
    x[0] = 0
    return {"z": z, "parts": [float(z.sum()), np.exp(z) @ z]}


def test_what_is_the_same_passes() -> None:
    x = np.random.default_rng(0).normal(size=100).astype(np.float32)
    mlc.testing.check_against_numpy(standardized, x, 2.5)
    mlc.testing.check_against_numpy(mlc.jit(standardized), x[::2], shift=2.5)
    mlc.testing.check_against_numpy(lambda x: x @ x.T, np.ones((3, 4)), target="numpy")
    mlc.testing.check_against_numpy(lambda z: z * z.conj(), np.array([1 + 2j, 3j]))


def test_what_differs_is_a_test_to_paste(tmp_path: Any) -> None:
    x = np.arange(6.0)[::-1]
    with pytest.raises(AssertionError) as caught:
        mlc.testing.check_against_numpy(window_sum, x, width=2, reference=wrong_at_the_end)
    problem, _, test = str(caught.value).partition("\n\n")
    assert problem == "the result: np.float64(1.0) instead of np.float64(2.0) at (4,)"
    assert "    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], np.float64)[::-1]\n" in test
    path = tmp_path / "test_pasted.py"
    path.write_text(test)
    assert "from typing import Any\n" in test
    names: dict[str, Any] = {"__name__": "pasted"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    with pytest.raises(AssertionError, match=r"instead of np.float64"):
        names["test_differs"]()


def test_lambdas_are_printed() -> None:
    with pytest.raises(AssertionError) as caught:
        mlc.testing.check_against_numpy(lambda x: x + 1, np.int8(3), reference=lambda x: x + SCALE)
    test = str(caught.value)
    assert "check_against_numpy((lambda x: x + 1), x, reference=(lambda x: x + SCALE))" in test
    assert "\nSCALE = 2.0\n" in test
    assert "x = np.int8(3)\n" in test


def test_errors_must_be_raised_too() -> None:
    mlc.testing.check_against_numpy(lambda x: x[7], np.ones(3))
    with pytest.raises(AssertionError, match="no error instead of ZeroDivisionError"):
        mlc.testing.check_against_numpy(lambda x: x, 1.0, reference=lambda x: 1 / 0)


def test_what_is_written_into_arguments_counts() -> None:
    def writes(x: Any) -> Any:
        x[0] = 1
        return x.sum()

    def reads(x: Any) -> Any:
        return 1 + x[1:].sum()

    mlc.testing.check_against_numpy(writes, np.zeros(4))
    with pytest.raises(AssertionError, match="argument 0 afterwards"):
        mlc.testing.check_against_numpy(writes, np.zeros(4), reference=reads)


def test_refusals_and_lost_meaning_are_told() -> None:
    with pytest.raises(mlc.UnsupportedError):
        mlc.testing.check_against_numpy(lambda x: np.polydiv(x, x[:2]), np.ones(3))
    with pytest.raises(mlc.ArgumentError, match="pass reference="):
        mlc.testing.check_against_numpy(window_sum, np.ones(4))
    x = np.full(10, 0.1, np.float32)
    with pytest.raises(ValueError, match="depends on rounding in shape"):
        mlc.testing.check_against_numpy(
            lambda x: x + 0, x, reference=lambda x: np.zeros(int(x.cumsum()[-1] * 1e9) % 1000)
        )


def test_operators_are_tried_on_what_is_drawn() -> None:
    options: dict[str, Any] = {"shapes": ["n"], "sizes": {"n": (3, 8)}, "examples": 8}
    mlc.testing.check_op(window_sum, windows, **options, options={"width": 3})
    with pytest.raises(AssertionError) as caught:
        mlc.testing.check_op(
            window_sum, wrong_at_the_end, **options, options={"width": 2}, targets=["cpu"]
        )
    assert "x = np.array([0.0, 0.0, 0.0, 0.0], np.float32)\n" in str(caught.value)
    mlc.testing.check_op(np.hypot, np.hypot, examples=4, targets=["cpu"])


def test_rounding_is_measured_on_the_function_itself() -> None:
    x = np.float64(1.0)

    def cancels(x: Any) -> Any:
        for _ in range(2):
            x = helper(x)
        return (x + 1e8) - 1e8

    def spread(function: Any) -> float:
        return float(np.ptp([shaken(function, seed)(x) for seed in range(20)]))

    assert 1e-9 < spread(cancels) < 1e-6
    assert 1e-17 < spread(lambda x: np.sin(x)) < 1e-14
    assert spread(lambda x: np.maximum(x, 2.0)) == 0
    assert spread(sorted_sum) > 0

    def counts(x: Any) -> Any:
        n = 0
        for i in range(3):
            n += i
        return np.zeros(int(n + x))

    assert shaken(counts, 1)(1).shape == (4,)


def helper(x: Any) -> Any:
    return x * 1.0


def sorted_sum(x: Any) -> Any:
    y = np.zeros(3)
    y[1:] += x / 3
    return np.sort(y).sum()


def test_signs_of_computed_nans_say_nothing() -> None:
    def computed(x: Any) -> Any:
        return np.copysign(2, np.float_power(x, x))

    def given(x: Any) -> Any:
        return np.copysign(2, x)

    with np.errstate(invalid="ignore"):
        signs = {float(shaken(computed, seed)(np.float64(-0.5))) for seed in range(20)}
    assert signs == {2.0, -2.0}
    minus = np.copysign(np.nan, -1)
    assert {float(shaken(given, seed)(minus)) for seed in range(20)} == {-2.0}
    mlc.testing.check_against_numpy(given, np.array([minus, np.nan]))


def test_complex_numbers_are_measured_as_a_whole() -> None:
    z = np.array([1 + 1e-9j])
    assert differs(z, z + 1e-16j, [z * (1 + 1e-16)]) == ""
    assert "instead of" in str(differs(z, z + 1e-13j, [z * (1 + 1e-16)]))


def test_copies_keep_their_layout() -> None:
    base = np.arange(12.0).reshape(3, 4)
    for view in (base[:, ::-1], base.T, base[::2, 1:], base[:, 1]):
        made = copied(view)
        assert np.array_equal(made, view)
        assert made.strides == view.strides
        assert not np.shares_memory(made, view)


def test_sums_into_their_own_argument_round() -> None:
    def program(x: Any) -> Any:
        np.cumsum(x, out=x)
        return x

    x = np.array([-0.1953, -0.0364, 0.2317])
    found = {float(shaken(program, seed)(x.copy())[2]) for seed in range(8)}
    assert len(found) == 8 and max(map(abs, found)) < 1e-14


def test_weighted_histograms_are_differences_of_sums() -> None:
    def program(x: Any) -> Any:
        return np.histogram(x, bins=[-2, 0, 1, 5], weights=abs(x) * np.inf)[0]

    mlc.testing.check_against_numpy(program, np.array([-1.0, 0.5, 3.0, -2.0, 0.0]))


def test_a_function_that_cannot_take_the_arrays_is_refused_before() -> None:
    with pytest.raises(mlc.ArgumentError) as caught:
        mlc.testing.check_op(lambda x, y: x + y, lambda x: x + 1, shapes=["n", "n"], examples=1)
    assert caught.value.message == (
        "<lambda> is to be called with 2 arguments by place, and takes others: too many positional "
        "arguments"
    )
    mlc.testing.check_op(np.add, np.add, shapes=["n", "n"], examples=1, targets=["cpu"])


def test_the_reference_may_stand_after_the_function() -> None:
    x = np.linspace(0, 1, 5)
    mlc.testing.check_against_numpy(lambda x: x * 2, lambda x: x + x, x)
    with pytest.raises(AssertionError, match="instead of"):
        mlc.testing.check_against_numpy(lambda x: x * 2.001, lambda x: x + x, x)
    mlc.testing.check_against_numpy(lambda f, x: f(x), np.exp, x, reference=lambda f, x: np.exp(x))
    with pytest.raises(mlc.UnsupportedError):  # refused, so np.polydiv was the first argument
        mlc.testing.check_against_numpy(lambda f, x: f(x, x[:2]), np.polydiv, x + 1)
    mlc.testing.check_gradients(lambda x: (x * x).sum(), lambda x: 2 * x, x)
    with pytest.raises(mlc.ArgumentError, match="pass it as gradient="):
        mlc.testing.check_gradients(lambda x: (x * x).sum(), x)


def test_arguments_are_drawn_where_none_are_given() -> None:
    def leaky(x: Any, y: Any) -> Any:
        return np.where(x > 0, x, 0.1 * x) + y

    mlc.testing.check_against_numpy(leaky)
    mlc.testing.check_against_numpy(mlc.jit(leaky), leaky)
    with pytest.raises(AssertionError, match="def test_differs"):
        mlc.testing.check_against_numpy(leaky, lambda x, y: x + y)
    with pytest.raises(mlc.ArgumentError, match="nothing was compared: solved raised an error"):
        mlc.testing.check_against_numpy(solved)


def solved(x: Any, y: Any, z: Any) -> Any:
    return np.linalg.solve(np.reshape(x, (7, 11, 13, 17)) @ y, z)  # whatever is drawn is smaller


def test_calls_that_fit_neither_are_no_agreement() -> None:
    with pytest.raises(mlc.ArgumentError, match="is to be called with 2 arguments by place"):
        mlc.testing.check_against_numpy(lambda x: x, 1.0, 2.0)
    for check, name in (
        (mlc.testing.check_against_numpy, "check_against_numpy"),
        (mlc.testing.check_schedules, "check_schedules"),
    ):
        with pytest.raises(mlc.ArgumentError) as caught:
            check(3)  # type: ignore[arg-type]
        assert caught.value.message == (
            f"mlc.testing.{name} wants a function, then its arguments; got 3"
        )


def test_what_is_missing_in_a_result_is_named() -> None:
    with pytest.raises(AssertionError) as caught:
        mlc.testing.check_against_numpy(
            lambda x: (x, {"a": x}), np.ones(2), reference=lambda x: (x, {"b": x})
        )
    text = str(caught.value)
    assert text.startswith("there is the result[1]['a'] and the result[1]['b'] is missing\n")


def test_a_pasted_test_defines_what_is_read_alone() -> None:
    with pytest.raises(AssertionError) as caught:
        mlc.testing.check_against_numpy(
            lambda x: x.sum(), np.ones(2), reference=lambda x: x.solved.sum() if x is None else x
        )
    assert "def test_differs" in str(caught.value) and "def solved" not in str(caught.value)


def test_shapes_of_one_argument_are_a_text() -> None:
    mlc.testing.check_op(np.negative, np.negative, shapes="n k", examples=1, targets=["cpu"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sizes": {"m": (1, 3)}}, r"sizes= bounds m, but shapes= has only \['n k'\]"),
        ({"dtypes": ["float23"]}, "expected a dtype such as 'float32', got 'float23'"),
    ],
)
def test_options_that_say_nothing_are_refused(options: Any, text: str) -> None:
    with pytest.raises(mlc.ArgumentError, match=text):
        mlc.testing.check_op(np.negative, np.negative, shapes=["n k"], examples=1, **options)


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(mlc.ArgumentError, match="wants a program and then a schedule of it"):
        mlc.testing.check_schedule(lambda x: x, 3)  # type: ignore[arg-type]


def test_sums_of_bfloat16_are_those_of_float32() -> None:
    x = np.random.default_rng(42).normal(size=85).astype(ml_dtypes.bfloat16)
    exact = np.float32(x.astype(np.float32).mean()).astype(ml_dtypes.bfloat16)
    assert abs(float(x.mean()) - float(exact)) > abs(float(exact))  # NumPy's own loses digits
    assert single(x.mean, (), {}) == exact == single(np.mean, (x,), {})
    assert single(np.mean, (x.astype(np.float16),), {}) is None
    assert single(np.exp, (x,), {}) is None


def test_parts_of_complex_products_are_as_exact_as_the_product() -> None:
    z = np.array([2.993424750159363 * (1 + 1j)])
    sizes = [shaken(lambda z: z * z, seed)(z)[0] for seed in range(6)]
    assert all(0 < abs(s.real) < 9 * np.finfo(float).eps * abs(s) for s in sizes)
    small = np.array([-0.000654405376628748 * (1 + 1j)])
    errors = [shaken(np.log1p, seed)(small)[0] - np.log1p(small)[0] for seed in range(6)]
    assert max(map(abs, errors)) > 0.1 * np.finfo(float).eps > 0.01 * max(map(abs, errors))


def test_weighted_histograms_are_differences_of_running_sums() -> None:
    x = np.array([-900.0, 1.0, 900.0])
    found = [
        shaken(lambda x: np.histogram(x, [-1e3, 0, 2, 1e3], weights=abs(x))[0], n)(x)[1]
        for n in range(6)
    ]
    assert 1e-15 < max(abs(v - 1) for v in found) < 1800 * 9 * np.finfo(float).eps


def test_lambdas_of_one_line_that_differ_in_what_they_read() -> None:
    """Else errors of one would be taken for those of the other, and anything would be close."""
    a, b = np.array([1.0, 2, 9]), np.array([4.0, 5, 6])
    wrong = [
        lambda: mlc.testing.check_against_numpy(
            lambda p, q: p - q, a, b, reference=lambda p, q: q - p
        ),
        lambda: mlc.testing.check_against_numpy(
            lambda p: p[1:] * 2, a, reference=lambda p: p[:-1] * 2
        ),
        lambda: mlc.testing.check_against_numpy(lambda p: p * 2, a, reference=lambda p: p * 3),
    ]
    for check in wrong:
        with pytest.raises(AssertionError, match="the result"):
            check()
