"""Tiles that tensor cores read lie so in shared memory that no two rows share banks."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc import te
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule
from mlc.schedules.schedule import Schedule
from mlc.testing.cuda import Counter, assert_compiles, counting

FEW = GpuMachine(processors=1)  # for which the largest tiles are chosen


def product(shape: tuple[int, int, int], dtype: str, order: str) -> Any:
    m, n, k = shape
    total = "int32" if dtype == "int8" else "float32"
    a = te.placeholder((m, k) if order[0] == "n" else (k, m), dtype, name="a")
    b = te.placeholder((k, n) if order[1] == "n" else (n, k), dtype, name="b")
    r = te.reduce_axis(k, "r")

    def element(i: Any, j: Any) -> Any:
        left = a[i, r] if order[0] == "n" else a[r, i]
        right = b[r, j] if order[1] == "n" else b[j, r]
        return te.sum(left.astype(total) * right.astype(total), axis=r)

    return te.create_program([a, b, te.compute((m, n), element, name="c")], "product")


def run_counted(program: Any, orders: str) -> tuple[Any, Counter]:
    run = mlc.build(program, target="cuda-emulated")
    rng = np.random.default_rng(0)
    a, b = (
        rng.integers(-8, 8, buffer.shape).astype(
            ml_dtypes.bfloat16 if buffer.dtype.name == "bfloat16" else buffer.dtype.name
        )
        for buffer in program.params[:2]
    )
    c = np.zeros(program.params[2].shape, program.params[2].dtype.name)
    with counting() as counted:
        run(a, b, c)
    left, right = (x.astype(np.int64) for x in (a, b))
    left, right = (x.T if o == "t" else x for x, o in zip((left, right), orders, strict=True))
    assert (c == left @ right).all()
    return run, counted


@pytest.mark.parametrize(
    ("shape", "dtype", "order"),
    [
        ((128, 128, 96), "float16", "nn"),
        ((128, 128, 32), "bfloat16", "tt"),
        ((128, 64, 32), "float16", "nt"),
        ((72, 40, 112), "float16", "nn"),
        ((64, 64, 64), "int8", "nt"),
    ],
)
def test_products_are_free_of_conflicts(
    shape: tuple[int, int, int], dtype: str, order: str
) -> None:
    program = default_gpu_schedule(product(shape, dtype, order), FEW).program
    run, counted = run_counted(program, order)
    source = str(run.lower().cuda)
    assert "mlc_ldmatrix_x4" in source and "mlc_mixed<" in source
    asked = [a for a in counted.accesses if "ldmatrix" in a.text or "cp_async" in a.text]
    assert asked and all(a.conflicts == 0 for a in asked), str(counted)
    written = [a for a in counted.accesses if "store_pair" in a.text]
    assert all(a.conflicts == 0 for a in written), str(counted)


def test_mixing_is_a_permutation_of_each_row() -> None:
    """What ``mlc_mix`` does to places, told in Python: eight rows meet all banks."""
    from mlc.lower.cuda.mix_rows import mixing_period

    for row_bytes in (32, 64, 128, 256, 512):
        pieces = min(row_bytes // 16, 8)
        line = max(row_bytes, 128)
        assert mixing_period(row_bytes) == line * pieces

        def mixed(byte: int, line: int = line, pieces: int = pieces) -> int:
            return byte ^ byte // line % pieces * 16

        for row in range(16):
            places = {mixed(row * row_bytes + at) for at in range(0, row_bytes, 16)}
            assert places == set(range(row * row_bytes, (row + 1) * row_bytes, 16))
        for at in range(0, row_bytes, 16):
            banks = [mixed(row * row_bytes + at) // 16 % 8 for row in range(8)]
            assert sorted(banks) == list(range(8))


def test_padded_rows_stay_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlc.schedules.defaults import gpu_tensor_cores

    copies: list[str] = []
    kept = gpu_tensor_cores.spread

    def spread(s: Schedule, name: str, *rest: Any) -> None:
        if not copies:
            copies.append(name)
            gpu_tensor_cores.part_rows(s, name, gpu_tensor_cores.GAP)
        kept(s, name, *rest)

    monkeypatch.setattr(gpu_tensor_cores, "spread", spread)
    program = default_gpu_schedule(product((32, 32, 32), "float16", "nn"), FEW).program
    run, _ = run_counted(program, "nn")
    source = str(run.lower().cuda)
    assert copies == ["a_reindex"]
    assert "mlc_mixed<64>(b_reindex" in source or "&b_reindex" in source
    assert "mlc_mixed<64>(a_reindex" not in source and "mlc_mixed<80>" not in source


@pytest.mark.usefixtures("nvrtc")
def test_cards_compile_it() -> None:
    program = default_gpu_schedule(product((128, 128, 96), "float16", "nt"), FEW).program
    assert_compiles(mlc.build(program, target="cuda-emulated").lower().compiled.device_module)
