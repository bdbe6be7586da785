"""Arrays of other libraries in, the same kind out; compiled functions pickled, in other threads."""

from __future__ import annotations

import array
import pickle
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc

from .interop_functions import Holder, scaled

X = np.arange(6, dtype=np.float32).reshape(2, 3)


class Strange:
    """An array of a library that speaks DLPack alone."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __dlpack__(self, **options: Any) -> Any:
        return self.held.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    @classmethod
    def from_dlpack(cls, other: Any) -> Strange:
        return cls(np.from_dlpack(other))


# NumPy takes what speaks DLPack alone as read-only before 2.2.5.
WRITTEN = np.from_dlpack(Strange(np.zeros(1))).flags.writeable


class Standard(Strange):
    """The same with a namespace, as the array API standard has it."""

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return types.SimpleNamespace(from_dlpack=lambda x: Standard(np.from_dlpack(x)))


class Remote(Strange):
    """Memory of some accelerator."""

    device = "card:0"

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


class Column:
    """Speaks ``__array__``, and cannot be made from arrays: as a column of a table."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.held, dtype)


@mlc.jit
def pair(x: Any, y: Any) -> Any:
    """Two results in a dict, one of them of shape ()."""
    return {"sum": x + y, "total": np.sum(x)}


@pytest.mark.parametrize("kind", [Strange, Standard])
def test_dlpack_in_the_same_kind_out(kind: Any) -> None:
    for y in (X, kind(X), 2.0):
        for _ in range(3):
            got = pair(kind(X), y)
            held = y.held if isinstance(y, Strange) else y
            assert type(got["sum"]) is kind and np.array_equal(got["sum"].held, X + held)
            assert type(got["total"]) is kind and got["total"].held.shape == ()
    assert type(pair(X, kind(X))["sum"]) is np.ndarray  # the first one's kind


def test_foreign_arrays_in_trees_count_too() -> None:
    f = mlc.jit(lambda items: (items["a"] + 1, 3, "text"))
    found = f({"b": Strange(X), "a": Strange(X)})
    assert type(found) is tuple and type(found[0]) is Strange and found[1:] == (3, "text")


def test_memory_is_read_where_it_lies() -> None:
    @mlc.jit
    def change(x: Any) -> Any:
        x += 1
        return x * 2

    x = X.copy()
    if not WRITTEN:
        with pytest.raises(ValueError, match="read-only: argument x"):
            change(Strange(x))
        return
    assert np.array_equal(change(Strange(x)).held, (X + 1) * 2)
    assert np.array_equal(x, X + 1)


def test_results_into_foreign_memory() -> None:
    f = mlc.jit(lambda x: x * 2)
    out = Strange(np.empty_like(X))
    if not WRITTEN:
        with pytest.raises(mlc.ArgumentError, match="out is read-only"):
            f(Strange(X), out=out)
        return
    assert f(Strange(X), out=out) is out and np.array_equal(out.held, X * 2)


def test_memory_of_an_accelerator_is_refused() -> None:
    with pytest.raises(mlc.ArgumentError) as caught:
        mlc.jit(lambda x: x + 1)(Remote(X))
    assert caught.value.message == (
        "a frontdoor array on card:0 was passed, whose memory the CPU cannot read; move it to the "
        "CPU first, or compile the function with target='cuda'"
    ).replace("frontdoor", Remote.__module__.split(".")[0])


@pytest.mark.parametrize(
    "value",
    [array.array("d", [1, 2, 3]), memoryview(np.arange(3.0)), Column([1.0, 2.0]), bytearray(b"ab")],
    ids=["array", "memoryview", "column", "bytearray"],
)
def test_buffers_and_columns_give_numpy_arrays(value: Any) -> None:
    got = mlc.jit(lambda x: x + x)(value)
    want = np.asarray(value) + np.asarray(value)
    assert type(got) is np.ndarray and got.dtype == want.dtype and np.array_equal(got, want)


def test_bfloat16_of_ml_dtypes() -> None:
    x = X.astype(ml_dtypes.bfloat16)
    got = mlc.jit(lambda x: x * 2)(x)
    assert got.dtype == ml_dtypes.bfloat16 and np.array_equal(got, X * 2)


class _Torch(types.ModuleType):
    """As much of torch as is asked for: tensors over NumPy's arrays."""

    bfloat16, int16 = "bfloat16", "int16"

    class Tensor:
        """A tensor on the CPU."""

        __module__ = "torch"
        requires_grad = False
        device = types.SimpleNamespace(type="cpu")

        def __init__(self, held: Any, dtype: Any = None) -> None:
            self.held, self.dtype = held, dtype

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.asarray(self.held, dtype)

        def resolve_neg(self) -> Any:
            return self

        resolve_conj = resolve_neg

        def numpy(self) -> Any:
            assert self.dtype != "bfloat16", "torch refuses this"
            return self.held

        def view(self, dtype: Any) -> Any:
            return type(self)(self.held, dtype)

    def from_numpy(self, held: Any) -> Any:
        assert type(held) is np.ndarray and held.flags.writeable
        assert held.dtype != ml_dtypes.bfloat16, "torch refuses this"
        return self.Tensor(held)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made = _Torch("torch")
    monkeypatch.setitem(sys.modules, "torch", made)
    yield made


def test_torch_tensors(torch: Any) -> None:
    f = mlc.jit(lambda x: (x * 2, np.sum(x)))
    twice, total = f(torch.Tensor(X))
    assert type(twice) is type(total) is torch.Tensor
    assert np.array_equal(twice.held, X * 2) and total.held.shape == ()
    bits = X.astype(ml_dtypes.bfloat16).view(np.int16)
    half = f(torch.Tensor(bits, "bfloat16"))[0]
    assert half.dtype == "bfloat16" and half.held.dtype == np.int16
    assert np.array_equal(half.held.view(ml_dtypes.bfloat16), X * 2)
    wanting = torch.Tensor(X)
    wanting.requires_grad = True
    with pytest.raises(mlc.ArgumentError, match=r"its gradient would be lost; pass x\.detach\(\)"):
        f(wanting)


def test_pickled_by_name_where_there_is_one() -> None:
    for function in (scaled, Holder.total):
        assert pickle.loads(pickle.dumps(function)) is function
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(mlc.jit(lambda x: x))


def test_cloudpickle_takes_what_has_no_name() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    factor = 3
    again = pickle.loads(cloudpickle.dumps(mlc.jit(lambda x: x * factor)))
    assert np.array_equal(again(X), X * 3) and len(again.cache_info().rows) == 1


def test_functions_of_a_script_travel_whole_or_by_name() -> None:
    pytest.importorskip("cloudpickle")
    script = (
        "import mlc, pickle, cloudpickle\n"
        "@mlc.jit\n"
        "def f(x): return x + 1\n"
        "assert pickle.loads(pickle.dumps(f)) is f\n"
        "data = cloudpickle.dumps(f)\n"
        "del f\n"
        "assert pickle.loads(data)(1.5) == 2.5\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_many_threads_compile_once() -> None:
    f = mlc.jit(lambda x: np.sqrt(x) + x)
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(f(np.full(n % 3 + 2, 4.0))))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 12 and all(np.all(result == 6) for result in results)
    assert len(f.cache_info().rows) == 3


def test_dask_maps_over_blocks() -> None:
    dask = pytest.importorskip("dask.array")
    x = dask.from_array(np.arange(24.0).reshape(4, 6), chunks=(2, 3))
    assert np.array_equal(x.map_blocks(scaled).compute(), np.arange(24.0).reshape(4, 6) * 2)


def test_columns_of_tables() -> None:
    pandas = pytest.importorskip("pandas")
    got = scaled(pandas.Series([1.0, 2.0]))
    assert type(got) is np.ndarray and np.array_equal(got, [2, 4])


def test_jax_arrays() -> None:
    jax = pytest.importorskip("jax.numpy")
    x = jax.arange(4, dtype="float32")
    got = scaled(x)
    assert type(got) is type(x) and np.array_equal(np.asarray(got), np.arange(4) * 2)


def test_real_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16, torch.int64):
        x = torch.arange(4).to(dtype)
        got = mlc.jit(lambda x: x * 2)(x)
        assert got.dtype is dtype and torch.equal(got, x * 2)
