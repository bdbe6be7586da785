"""Jitted functions over arrays on a (stand-in) card: same kind out, nothing copied."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import device_plan
from mlc.errors import ArgumentError, DeviceError, DTypeError, ShapeError, UnsupportedError

from .fake_cupy import FakeCuPy, Problem, ndarray


def values(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.fixture
def layer() -> Any:
    @mlc.jit(target="cuda")
    def layer(x: Any, w: Any, b: Any) -> Any:
        return np.maximum(x @ w + b, 0)

    return layer


def test_the_result_is_on_the_card(cupy: FakeCuPy, layer: Any) -> None:
    x, w, b = values(5, 7), values(7, 3), values(3)
    cupy.streams.number = 9
    got = layer(*map(cupy.asarray, (x, w, b)))
    assert isinstance(got, ndarray) and got.device.id == 0
    np.testing.assert_allclose(got.get(), np.maximum(x @ w + b, 0), rtol=1e-5, atol=1e-6)
    assert {launch.stream for launch in cupy.launches} == {9}
    count = len(cupy.compiled)
    layer(*map(cupy.asarray, (x, w, b)))
    assert len(cupy.compiled) == count == 1


def test_host_arrays_come_back_as_numpy(cupy: FakeCuPy, layer: Any) -> None:
    x, w, b = values(5, 7), values(7, 3), values(3)
    got = layer(x, w, b)
    assert type(got) is np.ndarray
    np.testing.assert_allclose(got, np.maximum(x @ w + b, 0), rtol=1e-5, atol=1e-6)
    assert cupy.launches


def test_numbers_constants_and_trees(cupy: FakeCuPy) -> None:
    table = values(6)

    @mlc.jit(target="cuda")
    def f(pair: Any, scale: Any, *, shift: Any = 1.0) -> Any:
        return {"sum": (pair[0] + pair[1]) * scale + table, "shift": pair[0] - shift}

    a, b = values(6), values(2, 6)[1]
    for scale in (2.0, 3.0, 2.0):
        got = f((cupy.asarray(a), cupy.asarray(b)), scale, shift=np.float32(4))
        np.testing.assert_allclose(got["sum"].get(), (a + b) * np.float32(scale) + table, rtol=1e-6)
        np.testing.assert_allclose(got["shift"].get(), a - 4, rtol=1e-6)


def test_views_are_read_in_place(cupy: FakeCuPy) -> None:
    @mlc.jit(target="cuda")
    def f(x: Any) -> Any:
        return x * 2

    a = values(6, 8)
    whole = cupy.asarray(a)
    for part in ((slice(None), slice(None, None, 2)), (slice(None, None, -1),), (slice(1, 3), 3)):
        np.testing.assert_array_equal(f(whole[part]).get(), a[part] * 2)


def test_what_is_not_aligned_is_copied(cupy: FakeCuPy) -> None:
    @mlc.jit(target="cuda")
    def f(x: Any) -> Any:
        return x + 1

    a = values(65)
    part = cupy.asarray(a)[1:]
    assert part.data.ptr % 16
    np.testing.assert_array_equal(f(part).get(), a[1:] + 1)


def test_arguments_are_handed_through_and_written(cupy: FakeCuPy) -> None:
    @mlc.jit(target="cuda")
    def f(x: Any, y: Any) -> Any:
        x[1:] += y
        return y, x.sum()

    a, b = values(9), values(8)
    x, y = cupy.asarray(a), cupy.asarray(b)
    same, total = f(x, y)
    assert same is y
    a[1:] += b
    np.testing.assert_allclose(x.get(), a, rtol=1e-6)
    np.testing.assert_allclose(total.get(), a.sum(), rtol=1e-5)


def test_out(cupy: FakeCuPy) -> None:
    @mlc.jit(target="cuda")
    def f(x: Any) -> Any:
        return x * 3

    x = cupy.asarray(values(16))
    out = cupy.empty((16,), np.float32)
    assert f(x, out=out) is out
    np.testing.assert_array_equal(out.get(), x.get() * 3)
    wanted = x.get() * 3
    assert f(x, out=x) is x  # over its own argument
    np.testing.assert_array_equal(x.get(), wanted)
    with pytest.raises(ShapeError, match=r"out has shape \(4,\), expected \(16,\)"):
        f(x, out=cupy.empty((4,), np.float32))
    with pytest.raises(DTypeError, match="out has dtype int32, expected float32"):
        f(x, out=cupy.empty((16,), np.int32))
    with pytest.raises(ArgumentError, match="out of f must be a cupy array on card 0"):
        f(x, out=np.empty(16, np.float32))


def test_a_call_runs_where_its_arrays_are(cupy: FakeCuPy, layer: Any) -> None:
    with cupy.cuda.Device(1):
        args = [cupy.asarray(value) for value in (values(5, 7), values(7, 3), values(3))]
    got = layer(*args)
    assert got.device.id == 1 and cupy.current == 0
    assert {launch.device for launch in cupy.launches} == {1}


def test_arrays_in_two_places_are_refused(cupy: FakeCuPy, layer: Any) -> None:
    x, w, b = values(5, 7), values(7, 3), values(3)
    with pytest.raises(ArgumentError) as caught:
        layer(cupy.asarray(x), w, cupy.asarray(b))
    assert caught.value.message == (
        "argument w of layer is on the host, and others are on card 0; copy it there with "
        "mlc.device_put(w, 0)"
    )
    with cupy.cuda.Device(1):
        far = cupy.asarray(w)
    with pytest.raises(ArgumentError, match="are on card 0 and on card 1; copy them to one"):
        layer(cupy.asarray(x), far, cupy.asarray(b))


def test_arguments_that_share_memory_and_are_written_are_refused(cupy: FakeCuPy) -> None:
    @mlc.jit(target="cuda")
    def f(x: Any, y: Any) -> None:
        x[...] = x + y

    x = cupy.asarray(values(8))
    with pytest.raises(ArgumentError, match="arguments x and y share memory, and x is written to"):
        f(x, x)


def test_a_failed_launch_names_the_kernel(cupy: FakeCuPy, layer: Any) -> None:
    cupy.fail["launch"] = Problem("CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure")
    with pytest.raises(DeviceError, match=r"launching the kernel \w+ .* failed: CUDA_ERROR_LAUNCH"):
        layer(*map(cupy.asarray, (values(5, 7), values(7, 3), values(3))))


def test_a_cpu_function_says_what_to_do(cupy: FakeCuPy) -> None:
    with pytest.raises(ArgumentError, match="or compile the function with target='cuda'"):
        mlc.jit(lambda x: x + 1)(cupy.asarray(values(3)))


def test_a_built_program_runs_on_the_card(cupy: FakeCuPy) -> None:
    from mlc import te

    x = te.placeholder((4, 6), "float32", "x")
    y = te.compute((4, 6), lambda i, j: x[i, j] * 2, name="y")
    double = mlc.build(te.create_program([x, y]), target="cuda")
    a, b = cupy.asarray(values(4, 6)), cupy.empty((4, 6), np.float32)
    double(a, b)
    np.testing.assert_array_equal(b.get(), a.get() * 2)
    with pytest.raises(ArgumentError, match=r"argument 1 \(y\) of .* is on the host"):
        double(a, np.empty((4, 6), np.float32))
    with pytest.raises(ShapeError, match=r"argument 0 \(x\) of .* has shape \(6,\), expected"):
        double(a[0], b)
    with pytest.raises(ArgumentError, match="is written to, and must be C-contiguous"):
        double(a, cupy.empty((4, 12), np.float32)[:, ::2])


def test_calls_made_before_take_the_short_way(
    cupy: FakeCuPy, layer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = [values(5, 7), values(7, 3), values(3)]
    layer(*map(cupy.asarray, arrays))
    taken = []
    monkeypatch.setattr("mlc.device_call._Call", lambda *_: taken.append("long") or 1 / 0)
    arrays = [array + 1 for array in arrays]
    x, w, b = arrays
    got = layer(*map(cupy.asarray, arrays))
    np.testing.assert_allclose(got.get(), np.maximum(x @ w + b, 0), rtol=1e-5)
    assert not taken
    for other in ((cupy.asarray(x[:4]), *map(cupy.asarray, (w, b))), map(cupy.asarray, (x, w, w))):
        with pytest.raises(ZeroDivisionError):  # of other shapes
            layer(*other)
    layer.clear_cache()
    with pytest.raises(ZeroDivisionError):
        layer(*map(cupy.asarray, arrays))


def test_the_short_way_sees_what_a_function_reads_change(cupy: FakeCuPy) -> None:
    table = values(4)
    f = mlc.jit(lambda x: (x + table, x * table), target="cuda")
    x = cupy.asarray(values(4))
    for _ in range(3):
        total, product = f(x)
        np.testing.assert_allclose(total.get(), x.get() + table, rtol=1e-6)
        np.testing.assert_allclose(product.get(), x.get() * table, rtol=1e-6)
        table += 1


def test_what_a_function_refuses_is_raised(cupy: FakeCuPy) -> None:
    f = mlc.jit(np.add.reduceat, target="cuda")
    x = cupy.asarray(np.arange(10.0))
    for _ in range(2):
        np.testing.assert_array_equal(f(x, cupy.asarray(np.array([0, 3]))).get(), [3.0, 42.0])
        with pytest.raises(mlc.BoundsError, match="index 30 is out of bounds for an axis of size"):
            f(x, cupy.asarray(np.array([0, 30])))


def test_errors_of_the_functions_own_are_raised(cupy: FakeCuPy) -> None:
    @mlc.jit(target="cuda")
    def halved(x: Any, n: Any) -> Any:
        if x.sum() < 0:
            raise ValueError("a negative sum")
        return x / 2**n

    for _ in range(2):
        np.testing.assert_array_equal(
            halved(cupy.asarray(np.arange(4.0)), 1).get(), [0, 0.5, 1, 1.5]
        )
        with pytest.raises(ValueError, match=r"^a negative sum$"):
            halved(cupy.asarray(-np.arange(4.0)), 1)
    place = cupy.asarray(np.ones(4))
    with pytest.raises(ValueError, match=r"^a negative sum$"):
        halved(cupy.asarray(-np.arange(4.0)), 1, out=place)
    power = mlc.jit(np.power, target="cuda")
    three = cupy.asarray(np.array([3, 3]))
    assert power(three, cupy.asarray(np.array([2, 0]))).get().tolist() == [9, 1]
    with pytest.raises(ValueError, match="Integers to negative integer powers are not allowed"):
        power(three, cupy.asarray(np.array([2, -1])))


def test_one_set_of_kernels_for_many_sizes(cupy: FakeCuPy) -> None:
    table, uploads = values(9), []
    asarray = cupy.asarray
    cupy.asarray = lambda array: uploads.append(np.shape(array)) or asarray(array)
    function = lambda x, w: np.maximum(x @ w, table).sum(axis=1) / len(x)
    run = mlc.jit(function, target="cuda", dynamic={"x": "n"})
    w = values(12, 9)
    for size in (50, 700, 3):
        x = values(size, 12)
        got = run(asarray(x), asarray(w))
        assert isinstance(got, ndarray)
        np.testing.assert_allclose(got.get(), function(x, w), rtol=1e-4)
    assert len(cupy.compiled) == len(cupy.loaded) == 1
    assert uploads.count((9 * 4,)) == 1, "what all sizes have in common is on the card once"
    small, large = (max(x.grid[0] * x.grid[1] for x in cupy.launches[n:]) for n in (-1, 0))
    assert small < large


def made_by(array: Any) -> Any:
    return array.get() if isinstance(array, ndarray) else array


def chosen(x: Any, y: Any) -> Any:
    found = x[x > 0]
    return found * 2, np.unique(y)


def test_as_much_as_the_data_say(cupy: FakeCuPy) -> None:
    """Sizes are counted on the card; other data have code for theirs, and the arrays are read
    where they are."""
    jitted = mlc.jit(chosen, target="cuda")
    on_card, here = (cupy.asarray, ndarray), (np.asarray, np.ndarray)
    for shift, kinds, ways in ((0.0, 4, [on_card, here]), (9.0, 4, [here]), (0.0, 7, [on_card])):
        x, y = values(40) + np.float32(shift), np.arange(30) % kinds
        for put, kind in ways:
            got = jitted(put(x), put(y))
            for one, expected in zip(got, chosen(x, y), strict=True):
                assert made_by(one).dtype == expected.dtype and isinstance(one, kind)
                np.testing.assert_array_equal(made_by(one), expected)
    out = cupy.empty((3,), np.float32)
    mlc.jit(lambda x: x[x > 0] + 1, target="cuda")(cupy.asarray(np.float32([1, -1, 2, 3])), out=out)
    np.testing.assert_array_equal(out.get(), np.float32([2, 3, 4]))


def test_sizes_and_refused_data_together(cupy: FakeCuPy) -> None:
    """Code for other sizes may refuse what it should not see: the sizes are looked at first."""

    @mlc.jit(target="cuda")
    def runs(x: Any, at: Any) -> Any:
        return np.add.reduceat(x[x > 0], at)

    at = cupy.asarray(np.array([0, 2]))
    for n in (3, 5):
        x = np.arange(1, 1 + n, dtype=np.float32)
        np.testing.assert_array_equal(runs(cupy.asarray(x), at).get(), np.add.reduceat(x, [0, 2]))
    with pytest.raises(IndexError):
        runs(cupy.asarray(np.float32([1, 2])), at)


def test_what_waits_is_captured_by_no_graph(cupy: FakeCuPy) -> None:
    some = cupy.asarray(values(20))
    outside = ", which a CUDA graph cannot capture; call it outside of the capture"
    table = values(20)
    for function, why in (
        (lambda x: x[x > 0], "has errors or sizes that its data decide, for which its call waits"),
        (lambda x: np.add.reduceat(x, x.astype(int) * 0), "may refuse its data, for which its call "
         "waits"),
        (lambda x: x + table, "copies numbers or arrays of the host to the card when it first "
         "meets them"),
    ):  # fmt: skip
        jitted = mlc.jit(function, target="cuda")
        if "copies" not in why:
            jitted(some)
        cupy.capturing = True
        with pytest.raises(UnsupportedError) as caught:
            jitted(some)
        assert why + outside in caught.value.message
        cupy.capturing = False
        jitted(some)
        if "copies" in why:
            cupy.capturing = True
            jitted(some)
            cupy.capturing = False


def test_numbers_that_a_graph_reads_are_kept(
    cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[float, weakref.ref[Any]] = {}
    scalar = device_plan.Plan.scalar

    def noted(plan: Any, value: Any, device: int) -> Any:
        found = scalar(plan, value, device)
        seen[float(value)] = weakref.ref(found)
        return found

    monkeypatch.setattr(device_plan.Plan, "scalar", noted)
    monkeypatch.setattr(device_plan, "_KNOWN_SCALARS", 2)
    jitted = mlc.jit(lambda x, by: x * by, target="cuda")
    some = cupy.asarray(values(20))
    for by in (2.0, 3.0):
        jitted(some, by)
    cupy.capturing = True
    jitted(some, 3.0)
    cupy.capturing = False
    for by in (4.0, 5.0, 6.0, 7.0):
        jitted(some, by)
    gc.collect()
    assert seen[3.0]() is not None and seen[2.0]() is None


def test_code_of_sizes_is_looked_at_without_a_card() -> None:
    jitted = mlc.jit(lambda x: x[x > 0], target="cuda")
    assert "__global__" in str(jitted.lower(np.float32([1, -1, 2])).cuda)
