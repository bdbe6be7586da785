"""``try`` statements that a ``break``, ``continue`` or ``return`` leaves: no ``else`` runs then."""

# ruff: noqa: B007

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc.testing


def known(x: Any) -> Any:
    c = 0
    for i in range(3):
        try:
            if i < 2:
                continue
        except ValueError:
            c += 1
        else:
            c += 10
    return c, x


def by_data(x: Any) -> Any:
    c = 0
    for v in x:
        try:
            if v < 0:
                continue
            if v > 3:
                break
        except ValueError:
            c += 1
        else:
            c += 10
        finally:
            c += 100
        c += 1000
    return c


def returned(x: Any) -> Any:
    def weighed(v: Any) -> Any:
        try:
            if v < 2:
                return 5.0
            v = v * 2
        except ValueError:
            return 6.0
        else:
            return 7 + v

    return [weighed(v) for v in x]


def from_handlers(x: Any) -> Any:
    c = 0
    for v in x:
        try:
            if v > 1:
                raise ValueError
            c += 1
        except ValueError:
            if v > 3:
                continue
            c += 10
        else:
            x[0] = 9.0
            c += 100
        c += 1000
    return c, x


@pytest.mark.parametrize("function", [known, by_data, returned, from_handlers])
def test_else_is_left_out(function: Any) -> None:
    for x in (np.array([1.0, -2.0, 0.5]), np.array([2.0, 4.0, 0.0, 1.0]), np.array([0.0, 7.0])):
        mlc.testing.check_against_numpy(function, x)


def failing_behind_a_break(x: Any, k: Any) -> Any:
    p = [(1, 0.5)]
    q = [0.5, 2.0]
    d = {1: 0.5, 3: 2.0}
    s = 0.0
    u = {1}
    for i, fa in zip(k, x):
        try:
            s += d.pop((sum(i for i in [1, 4, 2] if i % 2)) * 2 % 5, 0.25)
            if (sum(1 for w in q if w > -0.5)) in d:
                break
            p.append((4, (sum(q, 0.5)) % 2.0))
            if s != 1.5:
                s += x[10]
        except (IndexError, KeyError):
            u |= {w % 4 for w in k}
            x[x > 2.0] = 1.5
        else:
            q.append(1.0)
            s += d.pop(int(x.argmax()) % 5, 0.25)
    return p


def test_what_a_try_did_before_it_failed_is_done() -> None:
    x = np.array([-2.0, -1.75, -2.0, 1.0, -1.25, 0.25])
    mlc.testing.check_against_numpy(failing_behind_a_break, x, np.array([1, 2, 2, 1]))


class _StopError(Exception):
    pass


@pytest.mark.parametrize("sign", [1, -1])
def test_an_error_that_says_a_traced_value_leaves_the_try_around_it(sign: int) -> None:
    def f(x: Any) -> Any:
        c = 0
        for v in x:
            if v < 0:
                try:
                    raise _StopError(v)
                except ValueError:
                    c += 1
            c += 2
        return c

    x = sign * np.arange(1.0, 4.0)
    if sign > 0:
        assert mlc.jit(f)(x) == f(x)
    else:
        with pytest.raises(_StopError):
            mlc.jit(f)(x)


def _looked_up(held: Any) -> Any:
    return held[3]


@pytest.mark.parametrize("kind", [Exception, TypeError])
def test_that_a_number_is_not_known_yet_is_no_error_of_the_function(kind: Any) -> None:
    def f(x: Any) -> Any:
        for v in x:
            try:
                sorted([2, 1], reverse=bool(v > 1))
            except kind:
                return 1
        return 2

    with pytest.raises(mlc.ArgumentError, match="has no value while tracing"):
        mlc.jit(f)(np.arange(100.0))


def test_that_an_array_is_no_number_is_caught() -> None:
    def f(x: Any) -> Any:
        try:
            return x + range(3)[x[0]]
        except TypeError:
            return x + 1

    x = np.arange(3.0)
    np.testing.assert_array_equal(mlc.jit(f)(x), f(x))


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize(
    ("held", "look", "kind"),
    [
        ({1: 2.0}, _looked_up, KeyError), ({1: 2.0}, _looked_up, LookupError),
        ([1.0], _looked_up, LookupError), ({1: 2.0}, lambda d: d.pop(3), KeyError),
        ({1}, lambda u: u.remove(3), Exception), ([], lambda q: next(iter(q)), StopIteration),
        ([], max, ValueError), ([], lambda q: q.index(2), ValueError),
    ],
)  # fmt: skip
def test_an_error_under_a_condition_is_caught_where_the_data_come_there(
    held: Any, look: Any, kind: Any, first: int
) -> None:
    def f(k: Any) -> Any:
        s, own = 0, held.copy()
        try:
            s += 1
            if k[0] == 1:
                look(own)
        except kind:
            s += 100
        return s

    k = np.array([first, 1, 2])
    assert mlc.jit(f)(k) == f(k)
