"""What Python would not have asked for changes nothing: items of generators after ``any`` and
``all`` ended, counters and lists of functions that are called under a condition."""

from array import array
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy


def lower(a):
    a[0] -= 1
    return a[0]


def falls(a):
    return lower(a) < 0


def any_ends(a):
    return any(lower(a) < 0 for _ in range(3)), a.sum()


def all_ends(a):
    return all(lower(a) > 0 for _ in range(3))


def mapped(a):
    return any(map(falls, (a, a, a)))


def a_break(a):
    v = 0.0
    for v in (lower(a) for _ in range(4)):
        if v < 0:
            break
    return a + v


def a_return(a):
    for v in (lower(a) for _ in range(4)):
        if v < 0:
            return a + v
    return a


def in_a_loop(a):
    s = 0.0
    for k in range(200):
        if all(lower(a) > k for _ in range(2)):
            s += a.sum()
        else:
            a[2] -= 1
            a *= 0.5
    return s


def known_array(a):
    z = np.zeros(3)

    def put(i):
        z[i] = i + 1
        return a[i] < 0

    return any(put(i) for i in range(3)), z


def refusing(v):
    if v > 5:
        raise ValueError("big")
    return v < 0


def errors(a):
    return any(refusing(v) for v in a)


def counted_items(a):
    n = 0

    def is_low(i):
        nonlocal n
        n += 1
        return a[i] < 0

    return any(is_low(i) for i in range(3)), n


def listed_items(a):
    seen = []

    def is_low(i):
        seen.append(i)
        return a[i] < 0

    return any(is_low(i) for i in range(3)), len(seen)


def a_nonlocal(a):
    n = 0

    def up():
        nonlocal n
        n += 1

    if a[0] > 0:
        up()
    return n


def in_native_loops(a):
    n = 0

    def up():
        nonlocal n
        n += 1

    for i in range(500):
        if a[i % 3] > 0:
            up()
    return n


def helpers_of_what_is_left(a):
    n, seen = a[0], []
    assert a[1] > -9, "low"

    def up():
        nonlocal n
        seen.append(n)
        n += a[2]

    up()
    return n, seen


def a_helper_of_an_iteration(a):
    n, total = a[0], 0.0
    for i in range(len(a)):

        def up(y):
            nonlocal n
            n += y
            return n

        total += up(a[i])
    return total, up(1.0)


def a_helper_of_a_branch(a):
    n = a[0]
    if a[1] > 0:

        def up():
            z = 2.0

            def more():
                nonlocal n, z
                n, z = n + a[2], z + n
                return z

            return more() + more()

        z = up()
    else:
        z = a[2]
    return n, z


def a_helper_that_deletes(a):
    n = 2.0
    if not a[1] < a[2]:

        def drop():
            nonlocal n
            del n

        drop()
        n = a[0]
    return n


def a_list_gets_longer(a):
    kept = []

    def keep(v):
        kept.append(v)

    if a[0] > 0:
        keep(a[1])
    return len(kept)


def a_cell_of_a_list(a):
    n = [0]

    def up(v):
        n[0] += 1
        return v * v

    s = 1.0
    while s < 50:
        s += 1.0 + up(a[1])
    return s, n[0]


class Counter:
    def __init__(self):
        self.n = 0

    def up(self):
        self.n += 1
        return self.n > 1


def of_an_object(a):
    c = Counter()
    if a[0] > 0 and c.up():
        a[0] = 3
    return c.n


def any_of_an_object(a):
    c = Counter()
    return any(v > 0 and c.up() for v in a), c.n


def a_key(d):
    d["x"] = 1
    return 3


def a_dict(a):
    d = {}
    x = a_key(d) if a[0] > 0 else 0
    return x, len(d)


FUNCTIONS = (
    any_ends, all_ends, mapped, a_break, a_return, in_a_loop, known_array, errors, counted_items,
    listed_items, a_nonlocal, in_native_loops, helpers_of_what_is_left, a_helper_of_an_iteration,
    a_helper_of_a_branch, a_helper_that_deletes, a_list_gets_longer, a_cell_of_a_list, of_an_object,
    any_of_an_object, a_dict,
)  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_only_what_python_asks_for_counts(function):
    jitted = mlc.jit(function)
    for start in ([0.0, 1, 2], [-1.0, 9, 2], [2.0, -1, 2]):
        ours, theirs = np.array(start), np.array(start)
        try:
            expected = function(theirs)
        except ValueError as error:
            with pytest.raises(ValueError, match=str(error)):
                jitted(ours)
            continue
        found = jitted(ours)
        for a, b in zip(found if isinstance(found, tuple) else (found,),
                        expected if isinstance(expected, tuple) else (expected,)):  # fmt: skip
            np.testing.assert_allclose(a, b, rtol=1e-12)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_list_of_a_function_around_gets_longer_where_data_end_a_loop():
    def f(a):
        kept = []

        def keep(v):
            kept.append(v)
            return v

        s = 0.0
        while s < 10:
            s += keep(a[0])
        return s, kept, len(kept)

    assert mlc.jit(f)(np.full(3, 4.0)) == f(np.full(3, 4.0)) == (12.0, [4.0, 4.0, 4.0], 3)


def test_a_list_from_outside_cannot_get_longer_where_data_end_a_loop():
    kept = []

    def f(a):
        s = 0.0
        while s < 10:
            kept.append(a[0])
            s += a[0]
        return s

    with pytest.raises(mlc.UnsupportedError, match="items of kept from '1 of them' to '2 of"):
        mlc.jit(f)(np.ones(3))


class Pair:
    """An object that holds a list."""

    def __init__(self, items: list[Any]) -> None:
        self.items, self.kind = items, 0


def exchanged(x: Any) -> Any:
    """What two traces of one branch, or its two sides, put back for each other."""
    pair = Pair([x[0], x[1], x[2]])

    def exchange() -> None:
        pair.items[0], pair.items[2] = pair.items[2], pair.items[0]

    def mark(kind: int) -> None:
        pair.kind = kind

    if x[0] < x[1]:
        exchange()
    if x[1] < x[2]:
        mark(1)
    else:
        mark(0)
    return pair.items[0] * 100 + pair.items[1] * 10 + pair.items[2] + pair.kind * 1000


@pytest.mark.parametrize("x", [[1.0, 3.0, 2.0], [4.0, 3.0, 2.0], [1.0, 2.0, 5.0]])
def test_changes_that_are_put_back_by_another_trace(x: Any) -> None:
    check_against_numpy(exchanged, np.array(x))


class Ring:
    """Numbers that a method changes, in an array of Python's own."""

    def __init__(self) -> None:
        self.held = array("d", range(17))
        self.bytes = bytearray(4)
        self.place = 4

    def step(self) -> float:
        value = self.held[self.place]
        self.held[self.place] = value * 1.5 + 1
        self.bytes[self.place % 4] ^= 3
        self.place = self.place - 1 if self.place else 16
        return value


def turned(count: int) -> Any:
    ring, total = Ring(), 0.0
    for _ in range(count):
        total += ring.step()
    return total, list(ring.held), list(ring.bytes)


def test_arrays_of_pythons_own_are_changed_once() -> None:
    assert mlc.jit(turned, static_argnames="count")(90) == turned(90)
    assert mlc.jit(turned)(90) == turned(90)


def shortened(x: Any) -> Any:
    """Another list in the variable of this function, which the loop shortens too."""
    q = [0.5, 2.0]

    def cut() -> None:
        nonlocal q
        q = q[:5]

    count = 0
    while count < 1 and len(q) > 0.5:
        count += 1
        cut()
        del q[:1]
        x[0] += 1
    return count, q


class Held:
    def __init__(self) -> None:
        self.items = [0.5, 2.0]

    def cut(self) -> None:
        self.items = self.items[:5]
        del self.items[:1]


def shortened_in_an_object(x: Any) -> Any:
    held, count = Held(), 0
    while count < 1 and len(held.items) > 0.5:
        count += 1
        held.cut()
        x[0] += 1
    return count


def first_is_other(x: Any) -> Any:
    is_first, count = True, 0

    def begin() -> None:
        nonlocal is_first
        is_first = False

    while count < 3 and x[count] < 2.5:
        count += 1
        x[0] += 3 if is_first else 1
        begin()
    return count


def ends_after_one(x: Any) -> Any:
    left, count = 3, 0

    def end() -> None:
        nonlocal left
        left = 0

    while x[count] < 1 and left > 0:
        count += 1
        end()
    return count


@pytest.mark.parametrize(
    "function", [shortened, shortened_in_an_object, first_is_other, ends_after_one]
)
def test_what_each_iteration_changes_further(function: Any) -> None:
    check_against_numpy(function, np.arange(3.0))
