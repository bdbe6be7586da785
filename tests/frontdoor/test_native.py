"""The front door over the real compiler: which calls are native, and that all of them agree."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.runtime import native_call
from mlc.specialization import SLOW_CALLS

X = np.arange(12, dtype=np.float32).reshape(3, 4)
OFFSET = 1.0
SHIFT = np.ones(4, np.float32)
NATIVE = pytest.mark.skipif(not native_call.is_native(), reason="calls are not native here")


@pytest.fixture(autouse=True)
def reference() -> None:
    """No stand-in here: graphs are compiled."""
    mlc.eager._functions.clear()


def add(x: Any, y: Any) -> Any:
    return x + y


def both(x: Any, y: Any) -> Any:
    return {"sum": x + y, "difference": [x - y, 3]}


def tree(pair: Any) -> Any:
    return pair[0] * pair[1][0], pair[0]


def captured(x: Any, y: Any) -> Any:
    return x * OFFSET + y * SHIFT


CALLS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (add, (X, X[0]), {}),
    (add, (X, 2), {}),
    (add, (X, 2.5), {}),
    (add, (X,), {"y": X}),
    (add, (X.sum(), X.max()), {}),
    (add, (X[::-1], X[:, ::-1]), {}),
    (both, (X, X), {}),
    (tree, ((X, [X]),), {}),
    (captured, (X, X), {}),
    (captured, (X, 3), {}),
]


def flat(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value
    if isinstance(value, (tuple, list, dict)):
        return [leaf for item in items for leaf in flat(item)]
    return [value]


@pytest.mark.parametrize("target", ["cpu", "interpret", "numpy"])
@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_many_calls_agree_with_numpy(call: Any, target: str) -> None:
    function, args, kwargs = call
    jitted = mlc.jit(function, target=target)
    want = function(*args, **kwargs)
    for _ in range(SLOW_CALLS + 3):
        got = jitted(*args, **kwargs)
        assert type(got) is type(want) or not got.shape
        for g, w in zip(flat(got), flat(want), strict=True):
            assert type(g) is type(w) and getattr(g, "dtype", None) == getattr(w, "dtype", None)
            assert np.array_equal(g, w)
    assert len(jitted.cache_info()) == 1


@NATIVE
def test_plain_calls_do_not_enter_python() -> None:
    native_call.native_entry(build=True)
    jitted = mlc.jit(lambda x, y: x + y)
    jitted(X, X)
    jitted(X, 2.0)
    out = np.empty_like(X)
    jitted._slow = lambda *args, **kwargs: pytest.fail("this call entered Python")
    assert np.array_equal(jitted(X, X), X + X)
    assert np.array_equal(jitted(X, 2.0), X + 2)
    assert jitted(X, X, out=out) is out
    assert np.array_equal(out, X + X)


@NATIVE
def test_complex_results_are_made_and_filled_without_python() -> None:
    native_call.native_entry(build=True)
    z = X + 1j * X[::-1]

    def function(x: Any, y: Any) -> Any:
        return x * y, y.real, x.sum()

    for returned in (lambda x, y: x * y, lambda x, y: (x * y).sum(), function):
        jitted = mlc.jit(returned)
        jitted(z, z)
        jitted._slow = lambda *args, **kwargs: pytest.fail("this call entered Python")
        want, got = returned(z, z), jitted(z, z)
        for w, g in zip(flat(want), flat(got), strict=True):
            assert type(g) is type(w) and g.dtype == w.dtype
            np.testing.assert_allclose(g, w, rtol=1e-6)
        out = tuple(np.empty_like(w) for w in flat(want))
        given = out if type(want) is tuple else out[0]
        assert all(map(operator.is_, flat(jitted(z, z, out=given)), out))
        for w, g in zip(flat(want), out, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-6)


def test_a_change_is_noticed_by_a_function_with_captures(monkeypatch: pytest.MonkeyPatch) -> None:
    native_call.native_entry(build=True)
    jitted = mlc.jit(captured)
    for offset in (1.0, 2.0, 1.0):
        monkeypatch.setitem(globals(), "OFFSET", offset)
        for _ in range(3):
            assert np.array_equal(jitted(X, X), captured(X, X))
    SHIFT[0] = 5
    try:
        assert np.array_equal(jitted(X, X), captured(X, X))
    finally:
        SHIFT[0] = 1


class Scaled:
    def __init__(self) -> None:
        self.scale = 2.0

    @mlc.jit
    def run(self, x: Any) -> Any:
        return x * self.scale


@NATIVE
def test_numbers_read_from_elsewhere_are_looked_at_by_native_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    native_call.native_entry(build=True)
    power, scaled = 2.0, Scaled()

    def function(x: Any) -> Any:
        return add(x, OFFSET) * power

    def fails(*args: Any, **kwargs: Any) -> Any:
        pytest.fail("this call entered Python")

    def change(number: float) -> None:
        nonlocal power
        monkeypatch.setitem(globals(), "OFFSET", number)
        power, scaled.scale = number + 1, number + 2

    jitted, run = mlc.jit(function), Scaled.__dict__["run"]
    slow = jitted._slow
    for _ in range(2):
        for number in (1.5, 2.5):
            change(number)
            assert np.array_equal(jitted(X), (X + number) * (number + 1))
            assert np.array_equal(scaled.run(X), X * (number + 2))
        assert np.array_equal(jitted(X), (X + 2.5) * 3.5)
        jitted._slow = run._slow = fails  # both versions are known
    jitted._slow = slow
    monkeypatch.delitem(globals(), "OFFSET")
    with pytest.raises(NameError, match="OFFSET"):
        jitted(X)


def test_debug_mode_is_noticed_by_compiled_functions() -> None:
    native_call.native_entry(build=True)
    jitted = mlc.jit(add)
    jitted(X, X)
    with mlc.config.override(debug=True):
        jitted(X, X)
    assert [row.target for row in jitted.cache_info()] == ["cpu", "cpu, debug"]
    mlc.config.debug = True
    try:
        jitted(X, X)
        assert not native_call.is_installed(jitted)
    finally:
        del mlc.config.debug
    jitted(X, X)
    assert native_call.is_installed(jitted) == native_call.is_native()


def test_several_signatures_and_errors_after_native_calls() -> None:
    jitted = mlc.jit(add)
    arrays = [X, X.astype(np.float64), X[:2], X[::2], X.astype(np.int8)]
    for _ in range(SLOW_CALLS + 2):
        for array in arrays:
            assert np.array_equal(jitted(array, array), array + array)
    assert len(jitted.cache_info()) == len(arrays)
    with pytest.raises(mlc.ArgumentError, match="argument y of add is a bytes b'a'"):
        jitted(X, b"a")
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        jitted(X)
    jitted.clear_cache()
    assert np.array_equal(jitted(X, X), X + X)
    assert len(jitted.cache_info()) == 1


def test_methods_are_native_too() -> None:
    class Model:
        @mlc.jit
        def double(self, x: Any) -> Any:
            return x * 2

    model = Model()
    for _ in range(SLOW_CALLS + 2):
        assert np.array_equal(model.double(X), X * 2)


def test_build_checks_then_fills() -> None:
    a = te.placeholder((3, 4), name="a")
    f = mlc.build([a, te.compute((4, 3), lambda i, j: a[j, i] + 1, name="t")])
    out = np.empty((4, 3), np.float32)
    for _ in range(SLOW_CALLS + 2):
        assert f(X, out) is None
        assert np.array_equal(out, X.T + 1)
    with pytest.raises(mlc.ShapeError, match=r"argument 0 \(a\) of t has shape \(4, 3\), expected"):
        f(out, out)
    square = te.placeholder((3, 3), name="s")
    turn = mlc.build([square, te.compute((3, 3), lambda i, j: square[j, i] + 0, name="turned")])
    values = np.arange(9, dtype=np.float32).reshape(3, 3)
    want = values.T.copy()
    turn(values, values)
    assert np.array_equal(values, want)


def test_every_level_can_be_printed() -> None:
    lowered = mlc.jit(add).lower(X, X[0])
    for level in ("graph", "program", "schedule", "numpy", "llvm", "asm"):
        assert len(str(getattr(lowered, level))) > 20, level
    assert "<details" in lowered._repr_html_()
