"""Products of single tiles: the text of each intrinsic, run by 32 lanes, against its meaning."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.backends.cuda.device import Argument, DeviceModule, Launch
from mlc.errors import UnsupportedError
from mlc.intrinsics.fragments import WARP, Fragment
from mlc.intrinsics.mma import mma
from mlc.ir.intrinsic import intrinsic_named
from mlc.runtime.cuda import emulate
from mlc.testing.cuda import assert_compiles

from .tiles import KINDS, done, tile_program

VARIANTS = [(16, "mk", "kn"), (8, "km", "nk"), (16, "km", "kn"), (8, "mk", "nk")]
CASES = [(kind, *VARIANTS[(n + m) % 4]) for n, kind in enumerate(KINDS) for m in (0, 2)]


def filled(shape: tuple[int, ...], dtype: type, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype is np.int8:
        return rng.integers(-128, 128, shape).astype(dtype)
    return rng.integers(-64, 64, shape).astype(dtype) / dtype(8)  # exact, whatever the order


@pytest.mark.parametrize(("kind", "columns", "a_order", "b_order"), CASES)
def test_a_product_of_tiles(kind: str, columns: int, a_order: str, b_order: str) -> None:
    program = tile_program(kind, mma(kind, columns, a_order, b_order), a_order, b_order)
    dtype = KINDS[kind]
    a, b = (filled(p.shape, dtype, n) for n, p in enumerate(program.params[:2]))
    total = np.int32 if kind == "int8" else np.float32
    made, meant = np.zeros((2, *program.params[2].shape), total)
    mlc.build(program, target="numpy")(a, b, meant)
    left = (a.T if a_order == "km" else a).astype(np.float64)
    right = (b.T if b_order == "nk" else b).astype(np.float64)
    np.testing.assert_array_equal(meant, left @ right)
    kernel = mlc.build(program, target="cuda-emulated")
    kernel(a, b, made)
    np.testing.assert_array_equal(made, meant)


def test_in_every_order_of_lanes(order: str) -> None:
    a, b = filled((16, 16), np.float16, 0), filled((16, 16), np.float16, 1)
    made = np.zeros((16, 16), np.float32)
    mlc.build(tile_program("float16", mma("float16")), target="cuda-emulated")(a, b, made)
    np.testing.assert_array_equal(made, a.astype(np.float64) @ b)


def test_tf32_keeps_ten_bits() -> None:
    tile = mma("tf32")
    a = np.zeros((16, 8), np.float32)
    a[0, 0] = 1 + 2.0**-10 + 2.0**-12
    b = np.zeros((8, 16), np.float32)
    b[0, 0] = 1
    made = np.zeros((16, 16), np.float32)
    mlc.build(tile_program("tf32", tile), target="cuda-emulated")(a, b, made)
    assert made[0, 0] == 1 + 2.0**-10


def raw(name: str, tile: Fragment, source: np.ndarray) -> np.ndarray:
    """What each lane holds after a load, [lane, number]."""
    element = {1: "int8_t", 2: "mlc_half", 4: "float"}[source.itemsize]
    text = f"""{intrinsic_named(name).implementations["cuda"]}
extern "C" __global__ void k(const {element} *A, {element} *B) {{
  MLC_SHARED({element}, tile, 0);
  for (int n = threadIdx.x; n < {source.size}; n += 32) tile[n] = A[n];
  mlc_barrier();
  alignas(16) {element} mine[{tile.held}];
  {name}(tile, {source.shape[1]}, 1, mine);
  for (int n = 0; n < {tile.held}; n++) B[threadIdx.x * {tile.held} + n] = mine[n];
}}"""
    arrays = (Argument("array", 0), Argument("array", 1))
    launch = Launch("k", (1, 1, 1), (32, 1, 1), source.nbytes, arrays)
    out = np.zeros((WARP, tile.held), source.dtype)
    emulate.run_arrays(DeviceModule("k", text, (launch,), 0), [source, out])
    return out


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("role", ["a", "b"])
@pytest.mark.parametrize(("kind", "width"), [("float16", 2), ("tf32", 1), ("int8", 4)])
def test_lanes_hold_what_the_table_says(kind: str, width: int, role: str, turned: bool) -> None:
    family = mma(kind, 16, "km" if turned else "mk", "nk" if turned else "kn")
    rows, columns = (16, 8 * width) if role == "a" else (8 * width, 16)
    tile = Fragment(role, rows, columns, width)
    numbers = np.arange(rows * columns)
    if kind == "int8":
        numbers = np.random.default_rng(0).integers(-128, 128, numbers.size)
    held = numbers.reshape(rows, columns).astype(KINDS[kind])
    source = np.ascontiguousarray(held.T) if turned else held
    out = raw(family.load_a if role == "a" else family.load_b, tile, source)
    for lane, number in itertools.product(range(WARP), range(tile.held)):
        assert out[lane, number] == held[tile.element(lane, number)]


@pytest.mark.parametrize(
    "tile",
    [Fragment("a", 16, 16, 2), Fragment("a", 16, 32, 4), Fragment("a", 16, 8, 1),
     Fragment("b", 16, 8, 2), Fragment("b", 32, 16, 4), Fragment("c", 16, 8, 1),
     Fragment("c", 16, 16, 1)],
)  # fmt: skip
def test_each_element_has_one_place(tile: Fragment) -> None:
    places = [tile.element(lane, e) for lane in range(WARP) for e in range(tile.held)]
    assert sorted(places) == list(itertools.product(range(tile.rows), range(tile.columns)))
    row, column = (text.replace("/", "//") for text in tile.element_text())
    for lane, e in itertools.product(range(WARP), range(tile.held)):
        names = {"lane": lane, "e": e}
        assert (eval(row, names), eval(column, names)) == tile.element(lane, e)


@pytest.mark.parametrize("kind", KINDS)
def test_they_compile_for_cards(kind: str, nvrtc: None) -> None:
    program = tile_program(kind, mma(kind))
    assert_compiles(mlc.build(program, target="cuda").lower().compiled.device_module)


def test_elements_of_a_fragment_are_out_of_reach() -> None:
    tile = mma("float16")

    @T.program
    def peek(C: T.Buffer((16, 16))):
        sums = T.alloc((16, 16), "float32", scope=tile.scope_c)
        for _block in T.thread_binding(1, "blockIdx.x"):
            with T.block("fill"):
                done(tile.fill, sums[0:16, 0:16])
            for i in T.thread_binding(16, "threadIdx.y"):
                for j in T.serial(16):
                    with T.block("C"):
                        vi, vj = T.remap("SS", [i, j])
                        C[vi, vj] = sums[vi, vj]

    with pytest.raises(UnsupportedError, match="is spread over the registers of a warp"):
        mlc.build(peek, target="cuda-emulated")(np.zeros((16, 16), np.float32))


def test_a_warp_has_threads_of_its_own() -> None:
    tile = mma("float16")

    def filling(threads: int, inside: bool) -> None:
        @T.program
        def fill(C: T.Buffer((16, 16)), D: T.Buffer((threads,))):
            sums = T.alloc((16, 16), "float32", scope=tile.scope_c)
            for _block in T.thread_binding(1, "blockIdx.x"):
                for x in T.thread_binding(threads, "threadIdx.x"):
                    with T.block("D"):
                        vx = T.axis.spatial(threads, x)
                        D[vx] = 1.0
                    if inside:
                        with T.block("fill"):
                            done(tile.fill, sums[0:16, 0:16])
                if not inside:
                    with T.block("fill"):
                        done(tile.fill, sums[0:16, 0:16])
                with T.block("store"):
                    done(tile.store, sums[0:16, 0:16], C[0:16, 0:16])

        c, d = np.ones((16, 16), np.float32), np.zeros(threads, np.float32)
        mlc.build(fill, target="cuda-emulated")(c, d)
        assert (c == 0).all() and (d == 1).all()

    filling(32, False)
    with pytest.raises(UnsupportedError, match="is done by 32 threads together, and fill has 64"):
        filling(64, False)
    with pytest.raises(mlc.MlcError, match=r"stands inside a loop over threadIdx\.x|bound to thr"):
        filling(32, True)


def test_rows_begin_where_they_must() -> None:
    tile = mma("float16")

    @T.program
    def odd(A: T.Buffer((32, 20), "float16"), C: T.Buffer((16, 16))):
        shared = T.alloc((32, 20), "float16", scope="shared")
        part = T.alloc((16, 16), "float16", scope=tile.scope_a)
        for _block in T.thread_binding(1, "blockIdx.x"):
            for i in T.serial(32):
                for x in T.thread_binding(32, "threadIdx.x"):
                    with T.block("fetch"):
                        vi, vj = T.axis.spatial(32, i), T.axis.spatial(20, x)
                        T.where(x < 20)
                        shared[vi, vj] = A[vi, vj]
            with T.block("load"):
                done(tile.load_a, shared[0:16, 0:16], part[0:16, 0:16])
            with T.block("C"):
                vi = T.axis.spatial(1, 0)
                C[vi, vi] = 0.0

    with pytest.raises(UnsupportedError, match=r"pad the rows with storage_align\(\.\.\., 8\)"):
        mlc.build(odd, target="cuda-emulated")
        mlc.build(odd, target="cuda-emulated")(
            np.zeros((32, 20), np.float16), np.zeros((16, 16), np.float32)
        )
