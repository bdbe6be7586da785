"""``print`` in jitted functions prints what it does in Python, at each call."""

# ruff: noqa: T201, UP031, UP032

from __future__ import annotations

import copy
import io
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = np.array([0.5, 2.0, 3.0])


def printed(call: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> tuple[str, str, Any]:
    """What ``call()`` prints, on both streams, and what it raises."""
    capsys.readouterr()
    problem = None
    try:
        call()
    except Exception as error:
        problem = type(error), str(error).partition("\n")[0]
    return *capsys.readouterr(), problem


def straight(x: Any) -> Any:
    print("begin", len(x))
    total = x.sum()
    print(total, f"{total:8.3f}", x, sep="|", end=".\n")
    return total


def counted(x: Any, n: int) -> Any:
    total = 0.0
    for i in range(n):
        total = total + x[i % 3] * 2
        if total > 5 and i % 7 == 0:
            print("step", i, "total %.2f of %d" % (total, n))
    print("done {:.1e}!".format(total))
    return total


def halved(x: Any) -> Any:
    n = 0
    while np.abs(x).max() > 1e-3:
        x = x * 0.5
        n += 1
        if n % 5 == 0:
            print("after", n, x[:2], "%(most)6.3f%%" % {"most": x.max()})
    print([x[0], n], {"n": (n,)}, repr(n), f"{x[0]!r}", str(round(x[1], 6)) + "!")
    return x


def helper(x: Any, name: str) -> Any:
    print(name, x)
    return x + 1


def by_others(x: Any) -> Any:
    for k in range(300):
        x = helper(x, "here") if k % 100 == 0 else x * 1.01
    return x


def kinds(x: Any, flag: Any, n: Any, small: Any, single: Any, z: Any) -> Any:
    print(flag, n, small, single, x.dtype, x.argmax(), x > 1, x.astype(int), not flag, n / 2)
    print(z, z[0], z.sum(), complex(1, x[0]), np.float32(x[0]), np.asarray(x[1]), sep="\n")
    print(f"{n:03d} {n!r:>4}", str(x[0]).rjust(9, "."), repr(n).ljust(5) + "|", "%5s" % n, end="")
    print(flush=True)
    print("apart", x[0], file=sys.stderr)
    print("here", x[0], file=sys.stdout)
    return x


def selected(x: Any) -> Any:
    y, z = x[x > 1], (x * 1j)[x > 1]
    print("chosen", y, y.shape, len(y), z)
    for i in range(len(y)):
        print(i, y[i])
    return y


def gathered(x: Any) -> Any:
    found, pairs = [], []
    for i in range(len(x)):
        if x[i] > 1:
            found.append(x[i])
            pairs.append((i, x[i]))
    print(found, pairs, len(found))
    found.append(0.0)
    return found


def tabled(x: Any) -> Any:
    counts: dict[int, int] = {}
    seen = set()
    for v in x.astype(int):
        counts[v] = counts.get(v, 0) + 1
        if v > 1:
            seen.add(int(v) % 4)
    print(counts, seen, len(seen))
    return x


def in_tables(x: Any) -> Any:
    found = {}
    for i in range(len(x)):
        if x[i] > 1:
            found[i] = x[i] * 2
        if i % 50 == 0:
            print(i, found)
    names = set(x.astype(int).tolist())
    print(found, len(names), names)
    return x


def raising(x: Any) -> Any:
    print("before", x[0])
    if x[0] > 0:
        raise ValueError("positive")
    print("after", x[0])
    return x


def raising_in_a_loop(x: Any) -> Any:
    for i in range(len(x)):
        print("at", i)
        if x[i] > 2:
            raise ValueError("large")
    return x


def caught(x: Any) -> Any:
    try:
        if x[0] > 0:
            raise ValueError("positive")
        print("all right")
    except ValueError as error:
        print("caught", error)
    return x


def texts(x: Any) -> Any:
    name = "big" if x.sum() > 3 else "small"
    print(name, "is it")
    line = "sum: " + str(x.sum())
    x[0] = 7
    print(line.replace("sum", "total"), ", ".join(f"{x[i]:.1f}" for i in range(2)), x)
    return x


def sorted_in_steps(x: Any) -> Any:
    x = x.copy()
    for i in range(len(x)):
        for j in range(len(x) - 1 - i):
            if x[j] > x[j + 1]:
                x[j], x[j + 1] = x[j + 1], x[j]
        print(i, x)
    return x


def drawn(n: int) -> Any:
    rng = np.random.default_rng(3)
    total = 0.0
    for i in range(n):
        v = rng.normal()
        total += v
        if i % 40 == 0:
            print(i, v)
    return total


class Fit:
    def __init__(self, verbose: bool) -> None:
        self.verbose, self.weights = verbose, np.zeros(2)

    def run(self, x: Any) -> Any:
        for i in range(120):
            self.weights = self.weights - 0.1 * (self.weights - x[:2])
            if self.verbose and i % 50 == 0:
                print("iteration", i, self.weights)
        return self


def fitted(x: Any, verbose: bool) -> Any:
    return Fit(verbose).run(x).weights


def recursive(n: Any, a: Any, b: Any, c: Any) -> Any:
    if n == 0:
        return 0
    moved = recursive(n - 1, a, c, b)
    print("move", n, a, c)
    return moved + 1 + recursive(n - 1, b, a, c)


CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (straight, (X,)),
    (counted, (X, 6)),
    (counted, (X, 400)),
    (halved, (X,)),
    (by_others, (X,)),
    (kinds, (X, True, 7, np.int8(5), np.float32(1.5), np.array([1 + 2j, 3 - 1j]))),
    (selected, (X,)),
    (selected, (X + 1,)),
    (gathered, (X,)),
    (gathered, (np.arange(300.0) % 3,)),
    (tabled, (np.arange(9.0) % 4,)),
    (in_tables, (X,)),
    (in_tables, (np.arange(120.0) % 3,)),
    (raising, (X,)),
    (raising, (-X,)),
    (raising_in_a_loop, (np.arange(90.0) / 20,)),
    (caught, (X,)),
    (caught, (-X,)),
    (texts, (X,)),
    (texts, (-X,)),
    (sorted_in_steps, (np.arange(60.0) % 13,)),
    (drawn, (100,)),
    (fitted, (X, True)),
    (fitted, (X, False)),
    (recursive, (3, "a", "b", "c")),
]


@pytest.mark.parametrize(("function", "args"), CASES, ids=[f.__name__ for f, _ in CASES])
def test_as_python(
    function: Callable[..., Any], args: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = printed(lambda: function(*copy.deepcopy(args)), capsys)
    compiled = mlc.jit(function)
    for _ in range(2):
        assert printed(lambda: compiled(*copy.deepcopy(args)), capsys) == expected


def test_loops_that_print_are_native(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(str(mlc.jit(counted).lower(X, 400).graph)) < 10_000
    assert capsys.readouterr().out == ""  # nothing was called


def test_sizes_that_the_data_choose_print_once(capsys: pytest.CaptureFixture[str]) -> None:
    compiled = mlc.jit(selected)
    for x in (X, X + 1, X * 0, X, np.arange(3.0)):
        expected = printed(lambda x=x: selected(x), capsys)  # type: ignore[misc]
        assert printed(lambda x=x: compiled(x), capsys) == expected  # type: ignore[misc]
    compiled = mlc.jit(gathered)
    for n in (5, 400, 4000):  # more than there is room for at first
        x = np.arange(float(n)) % 3
        expected = printed(lambda x=x: gathered(x), capsys)  # type: ignore[misc]
        assert printed(lambda x=x: compiled(x), capsys) == expected  # type: ignore[misc]


def test_a_text_that_a_loop_makes_is_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    def late(x: Any) -> Any:
        text = ""
        for i in range(200):
            text = f"{x[i % 3] * i}"
        print(text)
        return x

    expected = printed(lambda: late(X), capsys)
    assert printed(lambda: mlc.jit(late)(X), capsys) == expected


def test_what_print_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    ways: list[Callable[[Any], Any]] = [
        lambda x: print(x, sep=3),  # type: ignore[call-overload]
        lambda x: print(x, other=3),  # type: ignore[call-overload]
        lambda x: print(f"{x[0]:.2q}"),
        lambda x: print("%d %d" % (x[0],)),  # noqa: F507
    ]
    for way in ways:
        expected = printed(lambda way=way: way(X), capsys)  # type: ignore[misc]
        assert expected[2] is not None
        assert printed(lambda way=way: mlc.jit(way)(X), capsys) == expected  # type: ignore[misc]


def test_files_of_ones_own_and_cards(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()

    def to_a_file(x: Any) -> Any:
        print("sum", x.sum(), file=file)
        return x

    mlc.jit(to_a_file)(X)
    assert file.getvalue().startswith("sum traced float64[] (from ")
    assert capsys.readouterr().out == ""


def test_values_that_python_cannot_show_so(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong(x: Any) -> Any:
        print("first")
        print(f"{x:.2f}")
        print("never")
        return x

    out, _, problem = printed(lambda: mlc.jit(wrong)(X), capsys)
    assert printed(lambda: wrong(X), capsys)[2] == problem
    assert out == "first\n"


def test_texts_that_leave_are_refused_in_words_that_can_be_read() -> None:
    def told(x: Any) -> Any:
        print(x)
        return f"{x.sum()}"

    with pytest.raises(mlc.UnsupportedError, match=r"a text made of traced float64\[\] \(from"):
        mlc.jit(told)(X)

    def gone(x: Any) -> Any:
        found = []
        for i in range(200):
            if x[i % 3] > 1:
                found.append(i)
        return f"{found}"

    with pytest.raises(mlc.UnsupportedError, match="a text made of traced list"):
        mlc.jit(gone)(X)


def test_errors_after_prints_show_traced_values_as_ever() -> None:
    def checked(x: Any) -> Any:
        print("checking")
        for i in range(100):
            if x[i % 3] > 2.5:
                raise ValueError(f"{x[0]} is large")
        return x

    with pytest.raises(ValueError, match=r"^traced float64\[\] \(.*\) is large$"):
        mlc.jit(checked)(X)


LOGGER = logging.getLogger("tests.printing")


def logged(x: Any) -> Any:
    for i in range(200):
        x = x * 0.99
        LOGGER.debug("not shown %s", x)
        if i % 100 == 0:
            LOGGER.info("step %d: %.3f", i, x.sum())
            logging.warning(f"step {i}")
    LOGGER.error("all: %(all)s", {"all": x})
    return x


def test_loggers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logged(X)
    expected = caplog.record_tuples[:]
    assert len(expected) == 5
    compiled = mlc.jit(logged)
    for _ in range(2):
        caplog.clear()
        compiled(X)
        assert caplog.record_tuples == expected


def written(x: Any) -> Any:
    count = sys.stdout.write("sum %s\n" % x.sum())
    sys.stderr.write(f"{x}\n")
    sys.stdout.flush()
    return x * (count > 0)


def test_texts_that_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    expected = printed(lambda: written(X), capsys)
    compiled = mlc.jit(written)
    for _ in range(2):
        assert printed(lambda: compiled(X), capsys) == expected


def warning(x: Any) -> Any:
    for i in range(200):
        x = x * 1.1
        if x[0] > 5:
            warnings.warn(f"large in {i}: {x[0]:.2f}", RuntimeWarning, stacklevel=1)
            break
    return x


def test_warnings_that_the_data_bring() -> None:
    compiled = mlc.jit(warning)
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="large in 24: 5.42") as caught:
            compiled(X)
        assert caught[0].filename == __file__ and len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(X * 0)
        with pytest.raises(RuntimeWarning, match="large in 24"):
            compiled(X)


def test_threads_print_what_is_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    compiled = mlc.jit(counted)
    compiled(X, 50)
    capsys.readouterr()
    threads = [threading.Thread(target=compiled, args=(X * k, 50)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = sorted(capsys.readouterr().out.splitlines())
    for k in range(1, 5):
        counted(X * k, 50)
    assert lines == sorted(capsys.readouterr().out.splitlines())


def test_nothing_is_told_where_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    compiled = mlc.jit(counted)
    compiled(X, 50)
    printed_first = capsys.readouterr().out
    program = compiled.lower(X, 50).program
    assert "mlc_gufunc_host__print" in str(program) and printed_first
    assert capsys.readouterr().out == ""
