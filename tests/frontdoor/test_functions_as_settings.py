"""Functions among the arguments: compiled once for equal code that reads the same."""

import functools

import numpy as np

import mlc


def fresh():
    @mlc.jit
    def solve(f, x):
        for _ in range(3):
            x = x - f(x) * 0.1
        return x

    def plain(f, x):
        for _ in range(3):
            x = x - f(x) * 0.1
        return x

    return solve, plain


def count(jitted):
    return len(jitted.cache_info().rows)


def test_a_lambda_of_the_same_text_and_captures_is_known():
    solve, plain = fresh()

    def call(k, how):
        return how(lambda x: x * k, 3.0)

    for k in (2, 2, 3, 2, 3, 2.0):
        assert call(k, solve) == call(k, plain)
    assert count(solve) == 3
    assert "with k=3" in str(solve.cache_info())


def test_defaults_partials_and_functions_in_cells_count():
    solve, plain = fresh()

    def scaled(k):
        def inner(x):
            return x * k

        return lambda x, b=k + 1: inner(x) + b

    def power(n, x):
        return x**n

    for k in (2, 2, 3, 3, 2):
        assert solve(scaled(k), 0.5) == plain(scaled(k), 0.5)
        np.testing.assert_allclose(
            solve(functools.partial(power, k), 0.5), plain(functools.partial(power, k), 0.5)
        )
    assert count(solve) == 4


def test_functions_that_call_themselves_have_keys():
    solve, plain = fresh()

    def made(depth):
        def again(x, n=depth):
            return x if n == 0 else again(x * 0.5, n - 1)

        return again

    for depth in (2, 3, 2, 3):
        assert solve(made(depth), 3.0) == plain(made(depth), 3.0)
    assert count(solve) == 2


def test_captured_arrays_are_watched_in_every_function_that_captures_them():
    solve, plain = fresh()
    weights = np.arange(4.0)

    def made():
        return lambda x: x * weights

    x = np.ones(4)
    solve(made(), x)
    np.testing.assert_array_equal(solve(made(), x), plain(made(), x))
    assert count(solve) == 1
    weights[1] = 7
    np.testing.assert_array_equal(solve(made(), x), plain(made(), x))


def test_cells_that_change_later_are_noticed():
    solve, plain = fresh()

    def made(k):
        def set_k(other):
            nonlocal k
            k = other

        return (lambda x: x * k), set_k

    first, set_first = made(2)
    second, set_second = made(2)
    for _ in range(12):  # native calls have begun
        assert solve(first, 3.0) == plain(first, 3.0)
    assert solve(second, 3.0) == plain(second, 3.0)
    assert count(solve) == 1
    set_first(5)
    assert solve(first, 3.0) == plain(first, 3.0)
    assert solve(second, 3.0) == plain(second, 3.0)
    set_second(5)
    for f in (second, first, second):
        assert solve(f, 3.0) == plain(f, 3.0)
    assert count(solve) == 2


def test_lambdas_of_one_loop_share_a_cell():
    solve, plain = fresh()

    def run(how):
        return [how(lambda x: x * k, 3.0) for k in (1, 2, 1, 2, 1)]

    assert run(solve) == run(plain) == run(solve)
    assert count(solve) == 2


def test_a_function_that_is_returned_is_the_one_of_the_call():
    @mlc.jit
    def pair(f, x):
        return f, f(x)

    def made():
        return lambda x: x + 1

    for f in (made(), made()):
        found, value = pair(f, 2.0)
        assert found is f and value == 3
    assert count(pair) == 1


def test_functions_with_attributes_are_themselves_alone():
    @mlc.jit
    def solve(f, x):
        return f(x) * f.rate

    def made(rate):
        def f(x):
            return x + 1

        f.rate = rate
        return f

    assert [solve(made(rate), 2.0) for rate in (1.0, 2.0, 3.0)] == [3.0, 6.0, 9.0]


def test_lambdas_with_other_text_are_others():
    solve, plain = fresh()
    for text in ("lambda x: x + 1", "lambda x: x + 2", "lambda x: x + 1", "lambda x: x + 1.0"):
        assert solve(eval(text), 3.0) == plain(eval(text), 3.0)
    assert count(solve) == 3
