"""How the native entry finds params in what is passed: keywords, trees, NumPy's scalars."""

import gc
import sys
import threading
import tracemalloc
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

from mlc.runtime import native_call
from mlc.runtime.entry import ArraySpec, EntrySpec, ScalarSpec, StaticSpec, TreeSpec
from mlc.runtime.executor import Executable
from tests.runtime.test_native_call import ADD, F8, copies, image_of, is_slow, make

pytestmark = pytest.mark.skipif(
    not native_call.is_native(), reason="calls are not native on this platform"
)
A, B = np.arange(8, dtype=np.float32), np.full(8, 0.5, np.float32)
SUM = A + B


def same(result):
    return not is_slow(result) and np.array_equal(result, SUM)


def test_arguments_by_place_or_by_name():
    f = make(ADD, EntrySpec((F8, F8), (F8,), names=("x", "y")))
    out = np.empty(8, np.float32)
    for result in (f(A, B), f(A, y=B), f(x=A, y=B), f(y=B, x=A), f(**{"y": B, "x": A})):
        assert same(result)
    assert f(A, out=out, y=B) is out and same(out)
    assert is_slow(f(A, x=B)) and is_slow(f(y=B)) and is_slow(f(A, z=B)) and is_slow(f())
    assert is_slow(f(A, B, y=B)) and is_slow(f(x=A, y=B, z=B)) and is_slow(f(A, y=B, out=None))
    assert f(y=B, z=A)[2]["y"] is B  # as it came


def test_arguments_by_place_alone():
    f = make(ADD, EntrySpec((F8, F8), (F8,), names=(None, "y")))
    assert same(f(A, y=B)) and is_slow(f(x=A, y=B))
    # A parameter of the function's own that is called out.
    g = make(ADD, EntrySpec((F8, F8), (F8,), names=("x", "out"), out="never"))
    assert same(g(A, B)) and same(g(A, out=B)) and same(g(out=B, x=A))
    assert is_slow(g(A, B, out=B)) and is_slow(g(A))


def test_keywords_of_two_signatures():
    f = make(ADD, EntrySpec((F8, F8), (F8,), names=("x", "y")))
    lone = EntrySpec((F8, F8), (F8,), keywords=("bias",), names=("x",))
    f.add(Executable(image_of(ADD), lone))
    assert same(f(y=B, x=A)) and same(f(bias=B, x=A)) and same(f(A, bias=B)) and same(f(A, B))
    assert is_slow(f(A, y=B, bias=B))


PAIR = TreeSpec("tuple", (F8, F8))
INNER = TreeSpec("list", (F8, TreeSpec("dict", (F8,), ("k",))))
NESTED = TreeSpec("tuple", (TreeSpec("none"), INNER))


@pytest.mark.parametrize(
    ("param", "fits", "others"),
    [
        (PAIR, (A, B), [[A, B], (A,), (A, B, B), (A, 1.0), namedtuple("P", "a b")(A, B), None, A]),
        (TreeSpec("list", (F8, F8)), [A, B], [(A, B), [A], [A, B, B], {0: A, 1: B}, "ab"]),
        (
            TreeSpec("dict", (F8, F8), ("b", "w")), {"w": B, "b": A},
            [{"b": A}, {"b": A, "v": B}, {"b": A, "w": B, "x": A}, OrderedDict(b=A, w=B), {}],
        ),
        (
            NESTED,
            (None, [A, {"k": B}]),
            [(0, [A, {"k": B}]), (None, [A, {"k": (B,)}]), (None, [A, {"j": B}]), (None, A)],
        ),
    ],
)  # fmt: skip
def test_trees(param, fits, others):
    f = make(ADD, EntrySpec((param,), (F8,), names=("tree",)))
    out = np.empty(8, np.float32)
    assert same(f(fits)) and same(f(tree=fits)) and f(fits, out=out) is out and same(out)
    for other in others:
        assert is_slow(f(other)), other
    assert is_slow(f(fits, fits)) and is_slow(f())
    shared = A.copy()
    assert is_slow(make(ADD, EntrySpec((PAIR,), (F8,)))((shared, B), out=shared))


def test_leaves_keep_their_order():
    # Trees are walked by levels; their leaves are numbered as they are written.
    deep = TreeSpec("tuple", (TreeSpec("list", (ArraySpec((4,), "int64"),)), StaticSpec(),
                              ScalarSpec("float", "float64")))  # fmt: skip
    spec = EntrySpec((deep, ScalarSpec("int", "int64")), (ArraySpec((), "float64"),))
    f = make(copies((1, 3, "float64", 1)), spec, statics=("mode",))
    assert f(([np.arange(4)], "mode", 2.5), 3) == 2.5
    assert is_slow(f(([np.arange(4)], "other", 2.5), 3)) and is_slow(f(([], "mode", 2.5), 3))


def test_numbers_side_by_side():
    first, more = ScalarSpec("float", "float64"), ScalarSpec("float", "float64", follows=True)
    rows = (TreeSpec("list", (first, more)), TreeSpec("tuple", (more, more)))
    four = ArraySpec((4,), "float64")
    number, outputs = ScalarSpec("int", "int64"), (four, four)
    spec = EntrySpec((number, TreeSpec("list", rows), four), outputs, returns="tuple")
    assert [b.shape for b in spec.buffers[1:]] == [(4,), (4,)]
    f = make(copies((1, 3, "float64", 4), (2, 4, "float64", 4)), spec)
    array = np.arange(4.0)
    numbers, copied = f(7, [[1.5, 2.5], (3.5, 4.5)], array)
    assert numbers.tolist() == [1.5, 2.5, 3.5, 4.5] and copied.tolist() == array.tolist()
    out = np.empty(4), np.empty(4)
    given = f(7, [[1.5, 2.5], (3.5, 4.5)], array, out=out)
    assert given[0] is out[0] and out[0].tolist() == numbers.tolist()
    assert is_slow(f(7, [[1.5, 2.5], (3.5, 4.5)], array, out=(array, out[1])))
    for other in ([[1.5, 2.5], (3.5, 4)], [[1.5, 2.5], [3.5, 4.5]], [[1.5], (3.5, 4.5)]):
        assert is_slow(f(7, other, array))


class Hostile:
    """Has the hash of a text, and raises when compared."""

    def __hash__(self):
        return hash("w")

    def __eq__(self, other):
        raise ZeroDivisionError


def test_dict_of_keys_that_cannot_be_compared():
    f = make(ADD, EntrySpec((TreeSpec("dict", (F8, F8), ("b", "w")),), (F8,)))
    assert is_slow(f({"b": A, Hostile(): B}))


@pytest.mark.parametrize("code", "?bBhHiIlLqQefdFD")
def test_numpy_scalars(code):
    dtype = np.dtype(code)
    if dtype.kind == "c" or dtype.name not in ("float32", "float64", "int32", "int64", "int8"):
        kernel = f"""
define i32 @mlc_main(ptr %b, ptr %w) {{
  %p = load ptr, ptr %b
  %v = load i{dtype.itemsize * 8}, ptr %p, align 1
  %q_at = getelementptr ptr, ptr %b, i64 1
  %q = load ptr, ptr %q_at
  store i{dtype.itemsize * 8} %v, ptr %q, align 1
  ret i32 0
}}
"""
    else:
        kernel = copies((0, 1, dtype.name, 1))
    f = make(kernel, EntrySpec((ArraySpec((), dtype.name),), (ArraySpec((), dtype.name),)))
    value = dtype.type(1.5 if dtype.kind in "fc" else 1)
    if dtype.num != np.dtype(dtype.name).num:  # the other of two integers of one width
        assert is_slow(f(value))
        return
    assert f(value) == value == f(np.array(value)) and type(f(value)) is dtype.type
    swapped = np.array(value).astype(dtype.newbyteorder("S"))
    assert is_slow(f("x")) and is_slow(f(None))
    assert is_slow(f(swapped)) or dtype.itemsize == 1
    if dtype.kind == "b":
        assert f(True) and not f(False) and type(f(True)) is np.bool_ and is_slow(f(1))
    else:
        assert is_slow(f(True))


def test_nothing_leaks():
    f = make(ADD, EntrySpec((TreeSpec("dict", (F8, F8), ("b", "w")),), (F8,), names=("p",)))
    g = make(ADD, EntrySpec((F8, F8), (F8,), names=("x", "y")))
    s = make(copies((0, 1, "float64", 1)),
             EntrySpec((ArraySpec((), "float64"),), (ArraySpec((), "float64"),)))  # fmt: skip
    fail = make(copies(code=1), EntrySpec((PAIR,), (F8,)), on_error=lambda code: 1 / 0)
    good, bad, pair, number = {"b": A, "w": B}, {"b": A, "v": B}, (A, B), np.float64(1.5)
    deeper = {"b": A, "w": [B]}

    def once():
        f(good), f(p=good), f(bad), f(deeper), g(y=B, x=A), g(y=B), s(number), g(A, x=B)
        with pytest.raises(ZeroDivisionError):
            fail(pair)

    for _ in range(20):
        once()
    objects = [A, B, good, bad, pair, number, "b", "w", "x", "y", None, deeper["w"]]
    gc.collect()
    counts = [sys.getrefcount(o) for o in objects]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1000):
        once()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    changes = [sys.getrefcount(o) - c for o, c in zip(objects, counts)]
    assert grown < 20_000 and all(abs(change) < 100 for change in changes), str(changes)


def test_a_list_may_change_while_the_kernel_runs():
    f = make(ADD, EntrySpec((TreeSpec("list", (F8, F8)),), (F8,), release_gil=True))
    held, stop = [A.copy(), B.copy()], threading.Event()

    def change():
        while not stop.is_set():
            held[0], held[1] = A.copy(), B.copy()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        assert all(same(f(held)) for _ in range(3000))
    finally:
        stop.set()
        thread.join()
