"""Python's errors of ``math``: NaN and infinity in compiled code, errors in debug mode."""

import math

import numpy as np
import pytest

import mlc

CASES = [
    (math.sqrt, (-1.0,)), (math.log, (0.0,)), (math.log, (-1.0,)), (math.log1p, (-1.0,)),
    (math.acos, (2.0,)), (math.exp, (1000.0,)), (math.cosh, (1000.0,)), (math.pow, (0.0, -1.0)),
    (math.pow, (-8.0, 0.5)), (math.pow, (10.0, 400.0)), (math.atanh, (1.0,)),
    (math.fmod, (1.0, 0.0)), (math.sin, (math.inf,)), (math.gamma, (0.0,)), (math.gamma, (-2.0,)),
    (math.gamma, (172.0,)), (math.lgamma, (-3.0,)), (math.lgamma, (-math.inf,)),
    (math.sqrt, (4.0,)), (math.sqrt, (math.nan,)), (math.exp, (math.inf,)),
    (math.hypot, (1e308, 1.5e308)), (math.log, (math.inf,)), (math.isnan, (math.nan,)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments"), CASES)
def test_debug_mode_raises_what_python_raises(function, arguments):
    compiled = mlc.jit((lambda x: function(x)) if len(arguments) == 1 else
                       (lambda x, y: function(x, y)))  # fmt: skip
    plain = compiled(*arguments)
    try:
        expected = function(*arguments)
    except (ValueError, OverflowError) as error:
        assert not math.isfinite(plain)
        with mlc.config.override(debug=True), pytest.raises(type(error)) as caught:
            compiled(*arguments)
        assert str(caught.value).startswith(("math domain error", "math range error"))
        assert f"at {__file__}:" in str(caught.value)
    else:
        np.testing.assert_allclose(plain, expected)
        with mlc.config.override(debug=True):
            np.testing.assert_allclose(compiled(*arguments), expected)


def total_of_roots(x):
    total = 0.0
    for i in range(len(x)):
        if x[i] > -5:
            total += math.sqrt(x[i])
    return total


def steps_down(x):
    steps = 0
    while math.sqrt(x) > 1:
        x -= 3.0
        steps += 1
    return steps


def test_in_native_loops():
    with mlc.config.override(debug=True):
        roots, steps = mlc.jit(total_of_roots), mlc.jit(steps_down)
        numbers = np.arange(200.0)
        far = np.where(numbers < 20, -9, numbers)
        assert math.isclose(roots(numbers), total_of_roots(numbers))
        assert math.isclose(roots(far), total_of_roots(far))
        with pytest.raises(ValueError, match="math domain error"):
            roots(numbers - 4)
        assert steps(10.0) == 3
        with pytest.raises(ValueError, match="math domain error"):
            steps(11.0)
