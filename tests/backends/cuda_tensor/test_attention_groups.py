"""Attention made for Hopper alone: groups of four warps, boxes of keys and values, and products
that go on while threads do other things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.dtypes import float16, float32
from mlc.errors import ArgumentError
from mlc.intrinsics.wgmma_held import wgmma_held
from mlc.runtime.cuda import emulate
from mlc.testing.cuda import assert_compiles

from ..attention_programs import Array, assert_near, draw, masked, plain

BOUND = {np.float16: 6e-3, ml_dtypes.bfloat16: 5e-2}


@pytest.fixture(autouse=True)
def _hopper() -> Iterator[None]:
    with mlc.config.override(cuda_architecture="sm_90a"):
        yield


def causal(q: Array, k: Array, v: Array) -> Array:
    return masked(q, k, v, 1, 1)


def heads_inside(q: Array, k: Array, v: Array) -> Array:
    """Heads as parts of the rows, turned outwards and back; two of queries for one of keys."""
    q, k, v = (x.reshape(*x.shape[:2], -1, 64).transpose(0, 2, 1, 3) for x in (q, k, v))
    k, v = (np.repeat(x, 2, axis=1) for x in (k, v))
    made = plain(q, k, v)
    return made.transpose(0, 2, 1, 3).reshape(made.shape[0], made.shape[2], -1)


def check(fn: Callable[..., Array], *arrays: Array) -> Any:
    jitted = mlc.jit(fn, target="cuda-emulated")
    lowered = jitted.lower(*arrays)
    (launch,) = lowered.compiled.device_module.launches
    assert launch.block[0] == 128 and "wgmma_held_" in str(lowered.cuda)
    assert_near(jitted, fn, arrays, BOUND[arrays[0].dtype.type])
    return lowered


@pytest.mark.parametrize(
    ("fn", "rows", "keys", "depth", "columns", "dtype", "order"),
    [
        (plain, 65, 129, 64, 64, np.float16, "forward"),
        (plain, 130, 300, 64, 128, np.float16, "random"),  # some warps have no rows at the end
        (causal, 128, 256, 128, 128, ml_dtypes.bfloat16, "reverse"),
        (causal, 300, 300, 64, 64, ml_dtypes.bfloat16, "forward"),
    ],
)
def test_values(fn, rows, keys, depth, columns, dtype, order) -> None:
    q, k = draw(1, rows, depth, dtype=dtype), draw(1, keys, depth, dtype=dtype)
    with mlc.config.override(emulated_order=order):
        lowered = check(fn, q, k, draw(1, keys, columns, dtype=dtype))
    (launch,) = lowered.compiled.device_module.launches
    assert launch.block == (128, 2, 1)


def test_arrays_of_other_shapes(nvrtc: None) -> None:
    q, k, v = draw(1, 70, 128), draw(1, 160, 64), draw(1, 160, 64) + np.float16(1)
    assert_compiles(check(heads_inside, q, k, v).compiled.device_module)


def test_its_text() -> None:
    """Weights are made of scores while values are multiplied with the weights before."""
    lowered = mlc.jit(plain, target="cuda-emulated").lower(*draw(3, 1, 512, 128))
    text = str(lowered.cuda)
    loop = text[text.index("  for (int keys_1 = 0; keys_1 < 3;") :]
    loop = loop[: loop.index("mlc_slot_leave<3>(")]
    kinds = ("wgmma_", "mlc_wgmma_wait", "mma_", "mlc_slot_wait", "load_box", "const uint64_t")
    steps = [
        line.split("(")[0].strip() for line in loop.split("\n") if line.strip().startswith(kinds)
    ]
    fill = "const uint64_t *const filled = mlc_slot_fill<3>"
    assert list(dict.fromkeys(steps)) == [
        "mlc_slot_wait<3>", "wgmma_held_64x128x64_nk_float16_begin",
        "wgmma_held_64x128x64_nk_float16", "wgmma_held_64x128x64_kn_float16", "mlc_wgmma_wait<2>",
        "mma_part_float32_4_64", "mma_peak_float32_4_64", "mma_greatest_float32_4",
        "mma_raised_float32_4_64", fill, "load_box_128x64_float16", "mlc_wgmma_wait<0>",
        "mma_scale_rows_float32_4_128", "mma_operand_float16_4_64",
    ]  # fmt: skip
    assert "mlc_slot_fill<3>(slots, 0, 32768)" in text  # there are no values to be used yet
    assert "mlc_slot_fill<3>(slots, keys_1 + 3, 65536)" in loop
    assert "mlc_slot_fill<3>(slots, keys_1 + 3, 32768)" in loop  # the last ones
    assert "mlc_barrier" not in loop and "cp_async" not in text
    (launch,) = lowered.compiled.device_module.launches
    assert launch.shared_bytes == 3 * 65536 + 48


def test_a_wait_that_is_missing_is_seen() -> None:
    q, k, v = draw(1, 65, 64), draw(1, 129, 64), draw(1, 129, 64)
    k[:, 128:] *= np.float16(8)  # greater scores than those before
    module = mlc.jit(plain, target="cuda-emulated").lower(q, k, v).compiled.device_module
    lines = module.source.split("\n")
    waits = [n for n, line in enumerate(lines) if line.strip().startswith("mlc_wgmma_wait<")]
    assert len(waits) == 4  # of scores alone, of scores and of values in the loop, of values alone
    for n in waits:
        source = "\n".join([*lines[:n], *lines[n + 1 :]])
        out = np.zeros_like(q)
        emulate.run_arrays(replace(module, source=source), [q, k, v, out])
        assert not np.allclose(out, plain(q, k, v), atol=1e-2)


def test_others_go_the_way_of_all_cards() -> None:
    wide = draw(1, 200, 64).astype(np.float32)
    for arrays in (
        draw(3, 1, 200, 96),  # no multiple of 64
        draw(3, 1, 64, 64),  # rows of one group
        (draw(1, 70, 64), draw(1, 100, 64), draw(1, 100, 64)),  # one tile of keys
        (wide, wide, wide),
    ):
        text = str(mlc.jit(plain, target="cuda-emulated").lower(*arrays).cuda)
        assert "wgmma" not in text and "attention_kernel" in text
    strided = draw(1, 130, 128)[:, :, :64]  # a view may begin anywhere
    text = str(mlc.jit(plain, target="cuda-emulated").lower(draw(1, 70, 64), strided, strided).cuda)
    assert "wgmma" not in text


def test_what_such_products_are() -> None:
    assert wgmma_held(float16, 128, "kn").begin == "wgmma_held_64x128x64_kn_float16_begin"
    with pytest.raises(ArgumentError, match="the order of boxes is 'nk' or 'kn', got 'mn'"):
        wgmma_held(float16, 64, "mn")
    with pytest.raises(ArgumentError, match="wgmma multiplies float16 and bfloat16 here"):
        wgmma_held(float32)


def test_groups_and_tiles_ahead_are_left_open(nvrtc: None) -> None:
    q, k, v = draw(1, 130, 64), draw(1, 520, 64), draw(1, 520, 64) + np.float16(1)
    by_hand = mlc.schedule(lambda s: s.on_grid(warps=1, ahead=1))
    chosen = mlc.jit(by_hand(plain), target="cuda-emulated")
    module = chosen.lower(q, k, v).compiled.device_module
    assert_compiles(module, ("sm_90a",))
    (launch,) = module.launches
    assert (launch.grid[0], launch.block) == (
        3,
        (128, 1, 1),
    ) and "mlc_slot_fill<2>" in module.source
    with mlc.config.override(emulated_order="random"):
        assert_near(chosen, plain, (q, k, v), BOUND[np.float16])
