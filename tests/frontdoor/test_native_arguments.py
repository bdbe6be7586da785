"""Calls that stay out of Python: keywords, defaults, NumPy's scalars, trees, methods, settings."""

import numpy as np
import pytest

import mlc
from mlc.runtime import native_call

pytestmark = pytest.mark.skipif(
    not native_call.is_native(), reason="calls are not native on this platform"
)
A, B = np.arange(8, dtype=np.float32), np.full(8, 0.5, np.float32)


@pytest.fixture(autouse=True)
def reference():
    """No stand-in here: graphs are compiled."""


class Layer:
    @mlc.jit
    def double(self, x, by=2.0):
        return x * by


def mode(x, how, *, n=1):
    return x + n if how == "up" else x - n


def nothing(*args, **kwargs):
    raise AssertionError("went through Python")


LAYER = Layer()
F32 = np.float32
CASES = [
    (lambda x, y: x - y, [((A, B), {}), ((A,), {"y": B}), ((), {"y": B, "x": A})]),
    (lambda x, y=2.0, *, z=1.0: x * y - z,
     [((A, B), {}), ((A,), {"z": B}), ((), {"z": B, "x": A}), ((), {"z": B, "y": A, "x": B}),
      ((A, F32(2)), {}), ((A, 3), {"z": F32(3)}), ((A,), {"z": np.int8(3)})]),
    (lambda *xs, **ys: xs[0] - ys["b"] * ys["a"],
     [((A,), {"a": B, "b": A}), ((A,), {"b": F32(3), "a": B})]),
    (lambda p, x: p["w"] * x - p["b"][0],
     [(({"w": A, "b": [B]}, A), {}), ((), {"x": A, "p": {"b": [A], "w": B}}),
      (({"b": (A,), "w": B}, F32(2)), {})]),
    (lambda t, n=None: t[0] - t[1][0] * t[1][1],
     [(((A, [B, A]),), {}), (((A, [B, 2.0]), None), {}), (([A, (F32(2), 3)],), {"n": None})]),
    (lambda x, m: np.where(m, x, -x),
     [((A, True), {}), ((A, False), {}), ((A, np.True_), {}), ((A, np.array(False)), {})]),
    (mode, [((A, "up"), {}), ((A, "".join(["do", "wn"])), {"n": B}), ((), {"how": "up", "x": A})]),
    (lambda x, s: x * s, [((A, np.dtype(c).type(1)), {}) for c in "?bBhHiIlLefdFD"]),
]  # fmt: skip


@pytest.mark.parametrize(("function", "calls"), CASES)
def test_calls_that_stay_native(function, calls):
    f = mlc.jit(function)
    native_call.native_entry(build=True)
    for args, kwargs in calls:
        f(*args, **kwargs)
    slow, f._slow = f._slow, nothing
    for _ in range(2):
        for args, kwargs in calls:
            found, wanted = f(*args, **kwargs), function(*args, **kwargs)
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)
    f._slow = slow
    with pytest.raises((TypeError, IndexError)):
        f(unknown=A)


def test_methods_stay_native():
    native_call.native_entry(build=True)
    LAYER.double(A), LAYER.double(A, by=F32(3)), LAYER.double(x=A, by=B)
    double = Layer.__dict__["double"]
    slow, double._slow = double._slow, nothing
    try:
        np.testing.assert_array_equal(LAYER.double(A), A * 2)
        np.testing.assert_array_equal(LAYER.double(by=F32(3), x=A), A * 3)
        np.testing.assert_array_equal(LAYER.double(A, by=B), A * B)
    finally:
        double._slow = slow
    np.testing.assert_array_equal(Layer().double(A), A * 2)


def test_dicts_in_any_order_and_others():
    f = mlc.jit(lambda p: p["a"] - p["b"])
    native_call.native_entry(build=True)
    for _ in range(3):
        np.testing.assert_array_equal(f({"a": A, "b": B}), A - B)
        np.testing.assert_array_equal(f({"b": A, "a": B}), B - A)
        with pytest.raises(KeyError):
            f({"a": A, "c": B})
        np.testing.assert_array_equal(f({"a": A, "b": B, "c": A}), A - B)
        np.testing.assert_array_equal(f({"a": A, "b": B[:1]}), A - B[:1])


def test_large_trees_go_through_python():
    arrays = [F32(i) for i in range(1100)]
    f = mlc.jit(lambda xs: xs[0] + xs[-1])
    native_call.native_entry(build=True)
    for _ in range(2):
        assert f(arrays) == 1099 and f(xs=arrays[:10]) == 9


def test_a_number_that_is_given_twice_is_told_as_by_python() -> None:
    def scaled(x: np.ndarray, scale: float = 1.0) -> np.ndarray:
        return x * scale

    f = mlc.jit(scaled)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"got multiple values for argument 'x'"):
            f(np.ones(3), x=2)
        assert list(f(np.ones(3), scale=2)) == [2, 2, 2]
