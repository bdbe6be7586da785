"""Products in matrix tiles are what they mean, wherever operands lie and without such tiles too."""

from __future__ import annotations

import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc import script as T
from mlc.backends.base import backend
from mlc.backends.llvm.llvmlite_binding import emit_assembly
from mlc.backends.llvm.target import host_target, x86_target
from mlc.intrinsics.tile_products import tile_product
from mlc.ir.expr import const
from mlc.ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic
from mlc.ir.program import Block, Buffer, Evaluate, Program, Region

AMX = x86_target(
    {
        "flags": "pni ssse3 sse4_1 sse4_2 cx16 popcnt movbe abm bmi1 bmi2 avx f16c fma avx2 "
        "avx512f avx512cd avx512bw avx512dq avx512vl amx_tile amx_int8 amx_bf16"
    }
)
Array = np.ndarray[Any, Any]


def call_on(intrinsic: Intrinsic, gap: int = 0, turned: bool = False) -> Program:
    """A program that is one call; rows of its params are ``gap`` elements apart, and columns of C
    contiguous if ``turned``."""
    params = []
    for b in intrinsic.operands:
        strides = [1]
        for extent in reversed(b.shape[1:]):
            strides.insert(0, strides[0] * extent)
        strides[0] += gap
        if turned and b.name == "C":
            strides = [1, b.shape[0]]
        params.append(Buffer(b.name, b.shape, b.dtype, tuple(strides)))
    regions = tuple(Region(b, tuple(const(0) for _ in b.shape), b.shape) for b in params)
    reads = tuple(
        r for r, b in zip(regions, intrinsic.operands, strict=True) if b in intrinsic.read
    )
    call = Evaluate(intrinsic.name, regions)
    block = Block("call", (), call, reads=reads, writes=regions[2:])
    return Program("call", tuple(params), block)


def arrays_for(program: Program, dtype: str, seed: int) -> list[Array]:
    """Any bytes, and whole numbers of bfloat16, whose sums are exact."""
    rng = np.random.default_rng(seed)
    out = []
    for b in program.params:
        size = 1 + sum((n - 1) * s for n, s in zip(b.shape, b.element_strides, strict=True))
        if dtype == "bfloat16" and b.dtype.name == "int32":
            pairs = rng.integers(-9, 10, 2 * size).astype(ml_dtypes.bfloat16)
            flat: Array = pairs.view(np.int32)
        elif b.dtype.is_float:
            flat = rng.integers(-9, 10, size).astype(b.dtype.numpy)
        else:
            info = np.iinfo(b.dtype.numpy)
            flat = rng.integers(info.min, info.max, size, b.dtype.numpy, endpoint=True)
        strides = [s * b.dtype.itemsize for s in b.element_strides]
        out.append(np.lib.stride_tricks.as_strided(flat, b.shape, strides))
    return out


def product_of(a: Array, b: Array, dtype: Any, depth: int) -> Array:
    """The exact product, from B as tiles take it."""
    if b.ndim == 3 and b.dtype == np.int32:  # panels of words
        b = (
            b.copy()[..., None]
            .view(dtype)
            .transpose(1, 0, 2, 3)
            .reshape(b.shape[1], -1, 4 // dtype.itemsize)
        )
    b = b.transpose(0, 2, 1).reshape(-1, b.shape[1])[:depth]
    total: Array = a.astype(np.float64) @ b.astype(np.float64)
    return total


KINDS = [
    ("int8", "int8"), ("int8", "uint8"), ("uint8", "int8"), ("uint8", "uint8"),
    ("bfloat16", "bfloat16"),
]  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.sampled_from([(32, 32, 64), (17, 16, 64), (50, 48, 128), (9, 96, 192)]),
    st.booleans(),
    st.sampled_from([0, 3]),
    st.booleans(),
)
def test_a_product_is_exact(
    kinds: tuple[str, str], sizes: tuple[int, int, int], begin: bool, gap: int, turned: bool
) -> None:
    rows, columns, depth = sizes
    intrinsic = tile_product(*kinds, rows, columns, depth, begin=begin)
    check(intrinsic, kinds, depth, begin, gap, turned)


@pytest.mark.parametrize("kinds", [KINDS[1], KINDS[4]], ids=str)
@pytest.mark.parametrize("sizes", [(33, 64, 45), (20, 16, 5), (40, 32, 2100)], ids=str)
@pytest.mark.parametrize("begin", [True, False])
def test_words_hold_neighbours_and_what_is_beyond_them_does_not_count(
    kinds: tuple[str, str], sizes: tuple[int, int, int], begin: bool
) -> None:
    rows, columns, depth = sizes
    intrinsic = tile_product(*kinds, rows, columns, depth, words=True, begin=begin)
    check(intrinsic, kinds, depth, begin)


def check(
    intrinsic: Intrinsic,
    kinds: tuple[str, str],
    depth: int,
    begin: bool,
    gap: int = 0,
    turned: bool = False,
) -> None:
    program = call_on(intrinsic, gap, turned)
    a, b, c = arrays_for(program, kinds[0], seed=1)
    right = np.dtype(ml_dtypes.bfloat16 if kinds[1] == "bfloat16" else kinds[1])
    wanted = product_of(a, b, right, depth) + (0 if begin else c)
    if c.dtype == np.int32:
        wanted = wanted.astype(np.int64).astype(np.int32)
    mlc.build(program)(a, b, c)
    np.testing.assert_array_equal(c, wanted)


def test_the_meaning_runs_in_the_interpreter_and_without_tiles() -> None:
    intrinsic = tile_product("int8", "uint8", 5, 16, 70, words=True)
    program = call_on(intrinsic)
    arrays = arrays_for(program, "int8", seed=2)
    expected = [x.copy() for x in arrays]
    backend("interpret").compile(program)(*expected)
    try:
        mlc.config.matrix_tiles = False
        built = mlc.build(program)
        assert "tdpb" not in built.lower().asm
    finally:
        del mlc.config.matrix_tiles
    got = [x.copy() for x in arrays]
    built(*got)
    np.testing.assert_array_equal(got[2], expected[2])


def test_ends_of_arrays_are_not_passed() -> None:
    rows = np.arange(3 * 70, dtype=np.int8).reshape(3, 70)
    intrinsic = tile_product("int8", "int8", 3, 16, 70, words=True, begin=True)
    program = call_on(intrinsic)
    words = np.full((1, 32, 16), 0x7F7F7F7F, np.int32)
    out = np.zeros((3, 16), np.int32)
    mlc.build(program)(rows, words, out)  # what is beyond a row counts as 0
    np.testing.assert_array_equal(out, np.repeat(127 * rows.sum(1, dtype=np.int32)[:, None], 16, 1))


def test_names_tell_sizes() -> None:
    assert intrinsic_named("amx_uint8_int8_48x32x128").operands[0].shape == (48, 128)
    assert intrinsic_named("amx_bfloat16_bfloat16_8x64x7_words_begin").operands[1].shape == (
        2,
        16,
        32,
    )
    assert not is_intrinsic("amx_int8_int8_48x32x100")
    assert not is_intrinsic("amx_int8_bfloat16_48x32x128")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"left": "int8", "right": "bfloat16"}, "tiles multiply int8 or uint8 .* got int8 and"),
        ({"columns": 24}, "a multiple of 16 columns .* got 32, 24 and 64"),
        ({"depth": 100}, "depth=100 is not a multiple of 64, the int8 numbers of a tile's row"),
        ({"columns": 48, "words": True}, "columns=48 is not a multiple of 32"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(mlc.ArgumentError, match=message):
        tile_product(**{"left": "int8", "right": "int8", **options})


@pytest.mark.parametrize(
    ("kinds", "name"), list(zip(KINDS, ("ss", "su", "us", "uu", ""), strict=True))
)
def test_sums_stay_in_tiles(kinds: tuple[str, str], name: str) -> None:
    intrinsic = tile_product(*kinds, 64, 64, 512, words=True, begin=True)
    text = emit_assembly(str(intrinsic.implementations["llvm"]), AMX)
    dot = f"tdpb{name}d" if name else "tdpbf16ps"
    loops = [part for part in text.split(".LBB") if dot in part]
    (loop,) = loops
    body = loop[loop.index("tileload") : loop.rindex(dot)]
    assert loop.count(dot) == 4 and loop.count("tileloadd") == 4
    assert "(%rsp)" not in re.sub(r"tileload\S*.*", "", body) and "tilestored" not in body
    assert text.count("ldtilecfg") == 1 and text.count("tilerelease") == 1


@T.program
def product(
    A: T.Buffer((64, 128), "int8"), B: T.Buffer((128, 64), "int8"), C: T.Buffer((64, 64), "int32")
):
    for i, j, k in T.grid(64, 64, 128):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0
            C[vi, vj] += T.int32(A[vi, vk]) * T.int32(B[vk, vj])


def test_a_schedule_by_hand() -> None:
    s = mlc.Schedule(product)
    s.cache_read("C", "B", "global")
    s.transform_layout("C", "B_global", lambda k, j: (k // 4, j, k % 4))
    (i, ii), (j, ji), (k, ki) = (s.split(x, [None, n]) for x, n in zip(s.loops("C"), (32, 32, 64)))
    s.reorder(i, j, k, ii, ji, ki)
    s.decompose_reduction("C", k)
    s.tensorize(ii, tile_product("int8", "int8", 32, 32, 64))
    rng = np.random.default_rng(3)
    a, b = (rng.integers(-128, 128, shape, np.int8) for shape in ((64, 128), (128, 64)))
    c = np.empty((64, 64), np.int32)
    built = mlc.build(s)
    built(a, b, c)
    np.testing.assert_array_equal(c, a.astype(int) @ b.astype(int))
    assert ("tdpbssd" in built.lower().asm) is host_target().has_byte_tiles
