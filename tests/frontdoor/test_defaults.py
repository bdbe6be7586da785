"""Arguments that are what would be without them: one trace, one code, and native calls all the
same; defaults that are set anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.runtime import native_call

A, B, C = np.arange(8.0), np.full(8, 0.5), np.linspace(-1, 1, 8)
OFFSET = 1.0


@pytest.fixture(autouse=True)
def reference() -> None:
    """No stand-in here: graphs are compiled."""


def same(f: Any, *args: Any, **kwargs: Any) -> None:
    got, wanted = f(*args, **kwargs), f.__wrapped__(*args, **kwargs)
    assert np.array_equal(got, wanted, equal_nan=True), (args, kwargs)
    assert np.array_equal(np.signbit(got), np.signbit(wanted)), (args, kwargs)


def nothing(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("went through Python")


def shift(x: Any, n: Any = 2, *, by: Any = 1e-3) -> Any:
    return x**n + by


def ways(
    x: Any, how: Any = "up", axes: Any = (0, 1), kind: Any = np.float32, rest: Any = None
) -> Any:
    y = x.sum(axis=axes).astype(kind) if how == "up" else x
    return y if rest is None else y + rest


def after(x: Any, n: Any = 2, z: Any = None, y: Any = 1.5, *, w: Any = True) -> Any:
    return x * n - (y if z is None else z / y) * w


def captured(x: Any, n: Any = 2) -> Any:
    return x * n + OFFSET


M = A.reshape(2, 4)
FLOAT, AXES = float("1e-3"), tuple(map(int, "01"))  # not the very objects
CASES: list[tuple[Any, list[tuple[tuple[Any, ...], dict[str, Any]]]]] = [
    (shift, [((A,), {}), ((A, 2), {}), ((A,), {"n": 2}), ((), {"x": A}), ((), {"n": 2, "x": A}),
             ((A,), {"by": FLOAT}), ((A, 2), {"by": FLOAT}), ((), {"by": FLOAT, "x": A})]),
    (ways, [((M,), {}), ((M, "".join(["u", "p"])), {}), ((M, "up", AXES), {}),
            ((M,), {"kind": np.float32, "axes": AXES}), ((M,), {"rest": None}),
            ((M, "up", (0, 1), np.float32, None), {})]),
    (after, [((A, 2, C, B), {}), ((A,), {"y": B, "z": C}), ((A,), {"z": C, "y": B, "n": 2}),
             ((A, 2), {"w": True, "y": B, "z": C}), ((), {"y": B, "x": A, "z": C})]),
    (captured, [((A,), {}), ((A, 2), {}), ((A,), {"n": 2}), ((), {"x": A, "n": 2})]),
]  # fmt: skip


@pytest.mark.parametrize(("function", "calls"), CASES)
def test_what_is_passed_as_the_default_is_left_out(function: Any, calls: Any) -> None:
    f = mlc.jit(function)
    native_call.native_entry(build=True)
    for args, kwargs in [*calls, *calls]:
        same(f, *args, **kwargs)
    assert len(f.cache_info()) == 1
    if not native_call.is_native():
        return
    f._trace = f._compile = f._find = nothing
    f._slow = nothing if function is not captured else f._slow
    for args, kwargs in calls:
        same(f, *args, **kwargs)
        assert np.array_equal(f(*args, **kwargs), f(*calls[0][0], **calls[0][1]))


def test_in_whatever_order_they_come() -> None:
    first = mlc.jit(shift)
    for n in (2, 3, 2, 4):  # code for any number does not wait until the default is asked for
        same(first, A, n)
    same(first, A)
    assert [row.signature for row in first.cache_info()] == [
        "x: float64[8]",
        "x: float64[8], n: int",
    ]
    second = mlc.jit(shift)
    for n in (3, 2, 4):
        same(second, A, n)
    assert len(second.cache_info()) == 1


def test_values_that_only_compare_equal_are_others() -> None:
    def signs(x: Any, z: Any = 0.0, flag: Any = 1) -> Any:
        return np.copysign(x, z) * (2 if type(flag) is bool else 1)

    f = mlc.jit(signs, static_argnames=("z", "flag"))
    for _ in range(2):
        for z in (0.0, -0.0, float("0.0"), 0):
            same(f, A, z)
            same(f, A, z=z, flag=True)
    nan = mlc.jit(lambda x, limit=float("nan"): x + limit)
    same(nan, A)
    same(nan, A, float("nan"))
    assert len(nan.cache_info()) == 1


def test_out_beside_defaults() -> None:
    f = mlc.jit(shift)
    for _ in range(3):
        for args in ((A,), (A, 2)):
            out = np.empty(8)
            assert f(*args, out=out) is out
            assert np.array_equal(out, shift(A))
    assert len(f.cache_info()) == 1


def test_names_that_only_come_by_place() -> None:
    def placed(x: Any, n: Any = 2, m: Any = 3, /, **others: Any) -> Any:
        return x * n - m + sum(others.values())

    f = mlc.jit(placed)
    for args, kwargs in [((A,), {}), ((A, 2), {}), ((A, 2, 3), {}), ((A, 2, 4), {}),
                         ((A,), {"n": 2}), ((A, 2), {"n": 2, "m": 3})]:  # fmt: skip
        same(f, *args, **kwargs)
        same(f, *args, **kwargs)


def test_what_python_refuses_stays_refused() -> None:
    f = mlc.jit(shift)
    f(A)
    for _ in range(2):
        with pytest.raises(TypeError, match="multiple values for argument 'n'"):
            f(A, 2, n=2)
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            f(n=2)
        with pytest.raises(TypeError, match="unexpected keyword argument 'm'"):
            f(A, m=2)


def test_arrays_and_objects_as_defaults_are_no_values() -> None:
    f = mlc.jit(lambda x, w=B: x * w)
    same(f, A)
    same(f, A, B)
    same(f, A, C)


@pytest.mark.parametrize("function", [shift, captured, after], ids=lambda f: f.__name__)
def test_defaults_that_are_set_anew(function: Any) -> None:
    def fresh(code: Any) -> Any:
        made = type(function)(code.__code__, globals(), code.__name__, code.__defaults__)
        made.__kwdefaults__ = dict(code.__kwdefaults__) if code.__kwdefaults__ else None
        return mlc.jit(made)

    f = fresh(function)
    native_call.native_entry(build=True)

    def all_same() -> None:
        for _ in range(2):
            same(f, A)
            same(f, A, 2)
            same(f, A, 3)
            same(f, x=A, n=2)

    all_same()
    f.__defaults__ = (3, *f.__defaults__[1:])
    same(f, A)
    assert [row.reason for row in f.cache_info()] == [
        f"the defaults of {function.__name__} changed"
    ]
    all_same()
    f.__wrapped__.__defaults__ = (4, *f.__defaults__[1:])
    all_same()
    if f.__kwdefaults__:
        name = next(iter(f.__kwdefaults__))
        f.__kwdefaults__[name] = 7.0  # in place
        all_same()
        f.__kwdefaults__ = {name: 8.0}
        all_same()
        del f.__kwdefaults__[name]
        with pytest.raises(TypeError, match=f"missing 1 required keyword-only argument: '{name}'"):
            f(A)
        f.__kwdefaults__[name] = 9.0
    f.__defaults__ = None
    with pytest.raises(TypeError, match=r"missing .* required positional"):
        f(A)


def test_loops_that_are_made_native_follow_the_defaults() -> None:
    @mlc.jit
    def f(x: Any, n: Any = 3) -> Any:
        total = x * 0
        for i in range(n):
            if x[0] < i:
                total = total + x * i
        return total

    same(f, A)
    f.__defaults__ = (5,)
    same(f, A)
    same(f, A, 5)
    assert len(f.cache_info()) == 1


def test_lower_and_methods() -> None:
    class Layer:
        @mlc.jit
        def scaled(self, x: Any, by: Any = 2.0) -> Any:
            return x * by

    layer = Layer()
    assert np.array_equal(layer.scaled(A), layer.scaled(A, 2.0))
    assert np.array_equal(layer.scaled(A, by=float("2")), A * 2)
    assert len(Layer.scaled.cache_info()) == 1
    f = mlc.jit(shift)
    assert f.lower(A).llvm == f.lower(A, 2, by=FLOAT).llvm
    assert len(f.cache_info()) == 1


def test_defaults_behind_any_number_of_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    @mlc.jit
    def f(x: Any, *powers: Any, scale: Any = 2.0, how: str = "up") -> Any:
        total = x * scale
        for power in powers:
            total = total + x**power
        return total if how == "up" else -total

    for powers in [(2, 3), (2, 3, A)]:
        same(f, A, *powers)
        same(f, A, *powers, scale=float("2"), how="up")
        same(f, A, *powers, how="up")
        same(f, A, *powers, scale=3.0)
    monkeypatch.setattr(f, "_call", nothing)
    same(f, B, 2, 3, scale=float("2"), how="up")
    same(f, B, 2, 3, scale=float("2.0"), how="up")
