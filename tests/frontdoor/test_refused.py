"""Mistakes at the front door, and the exact sentences they get."""

from __future__ import annotations

import inspect
import operator
import re
import threading
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc

X = np.ones((3, 4), np.float32)


def keeper() -> None:
    """Has attributes, which nobody looks after."""


def here(offset: int = 0) -> str:
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return f"{__file__}:{frame.f_back.f_lineno + offset}"


def message(error: mlc.MlcError) -> str:
    """The text without the line at its end."""
    assert error.location is not None and error.location.filename == __file__
    return str(error).partition("\n")[0]


STATIC = (
    "if it comes from an argument that decides shapes or control flow, name that in static_argnames"
)
ARGUMENT = "traced float32[3, 4] (argument x)"
NO_ARRAY = (
    "neither an array nor a number; name it in static_argnames='x' if it is a setting, or register "
)
CASES: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (
        lambda x: mlc.fori_loop(0, 3, lambda i, n: n + operator.truth(x[0, 0] > 0), 0),
        mlc.TracerBoolError,
        f"the truth of traced bool[] (from greater at FILE) is not known while tracing; use "
        f"np.where(condition, a, b) instead of if, & | ~ instead of and, or, not; {STATIC}",
    ),
    (
        lambda x: np.datetime_as_string(x),
        mlc.UnsupportedError,
        "np.datetime_as_string cannot be traced; write it with supported functions, declare it "
        "with @mlc.op, or call it outside",
    ),
    (
        lambda x: np.isnat(x),
        mlc.UnsupportedError,
        "np.isnat cannot be traced; supported and similar: np.isnan, np.rint, np.isin",
    ),
    (
        lambda x: np.polydiv(x, x),
        mlc.UnsupportedError,
        "np.polydiv cannot be traced: zeros in front decide the size of its result, and shapes "
        "must be known while tracing; call it outside the jitted function",
    ),
    (
        lambda x: np.add(x, 1, out=X),
        mlc.UnsupportedError,
        "np.add with out= (or an operator like += on a NumPy array) would write traced values "
        "into a NumPy array that was not made in the function; pass it as an argument, or write "
        "x = x + y",
    ),
    (
        lambda x: X.__setitem__(0, x),
        mlc.UnsupportedError,
        f"{ARGUMENT} cannot become a NumPy array while tracing: it was stored in an array that "
        "was not made in the function, or passed to a function that is not traced; make the array "
        "with np.zeros or np.empty, or pass it as an argument",
    ),
    (
        lambda x: operator.methodcaller("__float__")(x[0, 0]),
        mlc.ArgumentError,
        "traced float32[] (from slice_view at FILE) has no value while tracing, so it cannot "
        "become a Python "
        f"float; use x.astype(float); {STATIC}",
    ),
    (
        lambda x: mlc.fori_loop(0, 3, lambda i, n: n + operator.index(x[0, 0].astype(int)), 0),
        mlc.ArgumentError,
        "traced int64[] (from astype at FILE) has no value while tracing, so it cannot become a "
        "Python "
        "integer for a shape, an axis, range() or a list index; to pick elements use np.take(x, "
        "i) or "
        f"x[i]; {STATIC}",
    ),
    (
        lambda x: x.resize(3),
        mlc.UnsupportedError,
        "x.resize() changes an array in place and cannot be traced; use x = np.reshape(x, shape)",
    ),
    (
        lambda x: x.tobytes(),
        mlc.UnsupportedError,
        "x.tobytes cannot be traced; return the array and call .tobytes() on the result",
    ),
    (
        lambda x: (x * 1j).resize(3),
        mlc.UnsupportedError,
        "x.resize() changes an array in place and cannot be traced; use x = np.reshape(x, shape)",
    ),
    (
        lambda x: list(np.reshape(np.tile(x, 1000), (12000, 1))),
        mlc.UnsupportedError,
        "a Python loop over 12000 rows is unrolled while tracing; write it over whole arrays",
    ),
    (
        lambda x: x + object(),
        mlc.ArgumentError,
        "add: expected an array or a number, got object <OBJECT>",
    ),
    (
        lambda x: x @ x,
        mlc.ShapeError,
        "matmul: shapes (3, 4) and (3, 4) do not fit: axis 1 of the first has size 4 and axis 0 "
        "of the "
        "second has size 3; they must be equal",
    ),
    (
        lambda x: np.frombuffer(b"12345678", ">f8") + x,
        mlc.DTypeError,
        "dtype '>f8' has foreign byte order; convert with .astype('float64')",
    ),
    (
        lambda x: x @ np.ma.masked_array(X.T),
        mlc.UnsupportedError,
        "MaskedArray has rules of its own that cannot be traced; pass a plain array (np.asarray, "
        "or "
        ".filled(...) for a masked one)",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_what_cannot_be_traced(case: Any) -> None:
    function, kind, text = case

    def refused(x: Any) -> Any:
        return function(x)

    with pytest.raises(kind) as caught:
        mlc.jit(refused)(X)
    line = f"{__file__}:{function.__code__.co_firstlineno}"
    got = re.sub(r"<object object at \w+>", "<OBJECT>", message(caught.value))
    assert got.replace(line, "FILE") == text
    frames = [entry.path.name for entry in caught.traceback]
    assert "tracer.py" not in frames and "dispatch.py" not in frames


ARGUMENTS: list[tuple[Any, type[Exception], str]] = [
    (object(), mlc.ArgumentError, f"argument x of f is an object <OBJECT>, {NO_ARRAY}"),
    (b"relu", mlc.ArgumentError, f"argument x of f is a bytes b'relu', {NO_ARRAY}"),
    ({"w": [X, b"s"]}, mlc.ArgumentError, f"argument x['w'][1] of f is a bytes b's', {NO_ARRAY}"),
    (
        X.astype(np.clongdouble),
        mlc.DTypeError,
        "argument x of f: dtype 'complex256' is not supported; supported are ",
    ),
    (
        X.astype("datetime64[D]"),
        mlc.DTypeError,
        "argument x of f: dtype 'datetime64[D]' is not supported: pass x.view('int64'), the time "
        "since 1970 in its unit; supported are ",
    ),
    (
        X.astype(ml_dtypes.int4),
        mlc.DTypeError,
        "argument x of f: dtype 'int4' is not supported: convert it with .astype('float32'); ",
    ),
    (
        X.astype(">c16"),
        mlc.DTypeError,
        "argument x of f: dtype '>c16' has foreign byte order; convert with .astype('complex128')",
    ),
    (
        2**70,
        mlc.ArgumentError,
        "argument x of f is 1180591620717411303424, which does not fit int64; pass a NumPy scalar "
        "of a "
        "wider dtype, or name it in static_argnames",
    ),
]


@pytest.mark.parametrize("case", ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_arguments_of_the_wrong_kind(case: Any) -> None:
    value, kind, text = case

    @mlc.jit
    def f(x: Any) -> Any:
        return x

    with pytest.raises(kind) as caught:
        f(value)
    got = re.sub(r"<object object at \w+>", "<OBJECT>", message(caught.value))
    assert got.startswith(text)


def test_static_arguments_must_be_hashable_and_known() -> None:
    with pytest.raises(mlc.ArgumentError) as caught:
        mlc.jit(lambda x, axis: x, static_argnames="axis")(X, [X])
    assert message(caught.value) == (
        "static argument axis of <lambda> is a list, which cannot be hashed; pass a number, a "
        "string or a "
        "tuple, or do not name it in static_argnames"
    )
    with pytest.raises(mlc.ArgumentError, match="static_argnames names 'axes', but <lambda> has"):
        mlc.jit(lambda x, axis: x, static_argnames="axes")
    with pytest.raises(mlc.ArgumentError, match="static_argnums names argument 2, but"):
        mlc.jit(lambda x, axis: x, static_argnums=2)


def test_wrong_use_of_jit() -> None:
    with pytest.raises(mlc.ArgumentError, match="unknown target 'tpu'; expected one of cpu"):
        mlc.jit(target="tpu")
    with pytest.raises(mlc.ArgumentError, match=r"mlc.jit compiles a function, got int"):
        mlc.jit(3)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        mlc.jit(lambda x, y: x)(X)


def test_out_must_fit() -> None:
    f = mlc.jit(lambda x: x + 1)
    with pytest.raises(mlc.ShapeError) as caught:
        f(X, out=np.empty(3, np.float32))
    assert message(caught.value) == "out has shape (3,), but the result has shape (3, 4)"
    with pytest.raises(mlc.DTypeError) as other:
        f(X, out=np.empty((3, 4)))
    assert message(other.value) == "out has dtype float64, but the result has dtype float32"
    with pytest.raises(mlc.ArgumentError, match="out must be a NumPy array, got list"):
        mlc.jit(lambda x: x + 1)(X, out=[[1]])
    with pytest.raises(mlc.ArgumentError, match=r"out= wants 2 arrays, one for each result, got 1"):
        mlc.jit(lambda x: (x + 1, x))(X, out=X)
    frozen = np.empty((3, 4), np.float32)
    frozen.setflags(write=False)
    with pytest.raises(mlc.ArgumentError, match="out is read-only"):
        f(X, out=frozen)


@mlc.jit
def leaking(a: Any) -> Any:
    keeper.kept = [a, a * 2]  # type: ignore[attr-defined]
    return a + 1


def test_a_leak_is_named_with_its_origin() -> None:
    leaking(X)
    kept = keeper.kept  # type: ignore[attr-defined]
    advice = (
        "was used after leaking had returned; return it from leaking and use the returned array, "
        "instead of keeping it where mlc does not look after the call, as in an attribute of a "
        "function or a class"
    )
    with pytest.raises(mlc.TracerLeakError) as caught:
        kept[0] * 2
    assert message(caught.value) == f"traced float32[3, 4] (argument a) {advice}"
    line = leaking.__wrapped__.__code__.co_firstlineno + 2
    for use in (
        lambda: np.sum(kept[1]),
        lambda: np.asarray(kept[1]),
        lambda: mlc.jit(lambda x: x + 1)(kept[1]),
        lambda: mlc.jit(lambda x: x + kept[1])(X),
        lambda: mlc.jit(lambda x: kept[1])(X),
    ):
        with pytest.raises(mlc.TracerLeakError) as other:
            use()
        assert message(other.value) == (
            f"traced float32[3, 4] (from multiply at {__file__}:{line}) {advice}"
        )


def test_a_traced_value_of_another_trace_or_thread() -> None:
    def lowering(x: Any) -> Any:
        return mlc.jit(lambda y: y + x).lower(X)

    with pytest.raises(mlc.TracerLeakError) as caught:
        mlc.jit(lowering)(X)
    assert message(caught.value) == (
        "traced float32[3, 4] (argument x) of lowering was used inside <lambda>, which is traced "
        "on its "
        "own; pass it to <lambda> as an argument"
    )
    errors: list[Any] = []

    def elsewhere(x: Any) -> Any:
        def work() -> None:
            try:
                x + 1
            except mlc.TracerLeakError as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return x

    mlc.jit(elsewhere)(X)
    assert "in another thread or context" in str(errors[0])


def test_errors_of_the_user_keep_their_line() -> None:
    def broken(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        mlc.jit(broken)(X)
    assert caught.traceback[-1].name == "broken"
    assert not mlc.jit(broken).cache_info()


class Symmetric(np.ndarray):
    """An array that writes otherwise than NumPy's."""

    def __setitem__(self, index: Any, value: Any) -> None:
        i, j = index
        super().__setitem__((i, j), value)
        super().__setitem__((j, i), value)


class Named(np.ndarray):
    """An array that knows a name besides."""

    name = ""

    def __array_finalize__(self, other: Any) -> None:
        self.name = getattr(other, "name", "")


def test_classes_of_arrays_that_change_what_arrays_do() -> None:
    @mlc.jit
    def written(x: Any) -> Any:
        x[0, 1] = 5
        return x.sum()

    with pytest.raises(mlc.UnsupportedError, match="Symmetric has a __setitem__ of its own"):
        written(np.zeros((2, 2)).view(Symmetric))
    named = np.zeros((2, 2)).view(Named)
    assert written(named) == named.sum() == 5


def test_what_is_no_function_is_not_compiled() -> None:
    async def streamed(x: Any) -> Any:
        yield x

    with pytest.raises(mlc.ArgumentError, match="got property; write @property above"):
        mlc.jit(property(lambda self: 1))
    with pytest.raises(mlc.ArgumentError, match="got the asynchronous generator streamed"):
        mlc.jit(streamed)
