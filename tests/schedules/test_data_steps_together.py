"""Steps on data with others: traces that are taken again, moved copies, and compiled programs."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.errors import ScheduleError
from mlc.ir.program import Program, blocks_of
from mlc.schedules.schedule import Schedule

from .data_step_programs import (
    arrays_for,
    assert_same,
    matmul,
    matmul_relu,
    padded_convolution,
    stencil,
    transposition,
)
from .samples import assert_round_trips


def blocked_product(s: Schedule) -> None:
    s.pad_einsum("C", [4, 4, 4])
    a = s.reindex("C", "A_pad")
    i, j, k = s.loops("C")
    i0, i1 = s.split(i, [None, 4])
    j0, j1 = s.split(j, [None, 4])
    s.reorder(i0, j0, k, i1, j1)
    s.transform_layout(a, 0, lambda i, k: (i // 4, k, i % 4))
    s.set_scope("B_pad", "shared")
    s.storage_align("B_pad", 0, 0, 16, 1)


def staged_product(s: Schedule) -> None:
    i, j, k = s.loops("C")
    i0, i1 = s.split(i, [None, 2])
    j0, j1 = s.split(j, [None, 3])
    k0, k1 = s.split(k, [None, 2])
    s.reorder(i0, j0, k0, i1, j1, k1)
    local = s.cache_write("C", "C", "local")
    a = s.cache_read("C", "A", "shared")
    b = s.cache_read("C", "B", "shared")
    s.compute_at(a, k0)
    s.compute_at(b, k0)
    s.reverse_compute_at(local, j0)


def padded(s: Schedule) -> None:
    s.decompose_padding("P", s.loops("P")[1])
    s.cache_read("Y", "P", "local")
    s.cache_write("Y", 0, "global.tile")


def fused(s: Schedule) -> None:
    s.cache_read("Y", "X", "local", consumers=["T"])
    (f,) = s.transform_block_layout("T", lambda i, j: (i * 4 + j,))
    s.split(f, [None, 8])
    s.transform_layout("T", "T", lambda i, j: (j, i // 4, i % 4), pad_value=1.0)


def aligned(s: Schedule) -> None:
    s.transform_layout("B", 0, lambda i: (i // 5, i % 5))
    s.storage_align("B", 0, 0, 8)
    s.set_scope("B", "shared")
    s.cache_read("C", "B", "local")


CASES = {
    "blocked": (lambda: matmul(6, 7, 5), blocked_product),
    "staged": (lambda: matmul(6, 6, 4), staged_product),
    "staged_odd": (lambda: matmul(5, 7, 3), staged_product),
    "padded": (padded_convolution, padded),
    "fused": (transposition, fused),
    "aligned": (stencil, aligned),
}


def scheduled(name: str) -> tuple[Program, Schedule]:
    make, steps = CASES[name]
    before = make()
    s = Schedule(before)
    steps(s)
    return before, s


@pytest.mark.parametrize("name", CASES)
def test_schedules_of_many_steps_keep_the_meaning(name: str) -> None:
    before, s = scheduled(name)
    assert_same(before, s.program)


@pytest.mark.parametrize("name", CASES)
def test_traces_are_taken_again(name: str) -> None:
    assert_round_trips(scheduled(name)[1])


@pytest.mark.parametrize("name", CASES)
def test_compiled_programs_agree(name: str) -> None:
    before, s = scheduled(name)
    arrays = arrays_for(before)
    expected, got = [a.copy() for a in arrays], [a.copy() for a in arrays]
    mlc.build(before, target="interpret")(*expected)
    mlc.build(s.program)(*got)
    for one, two in zip(expected, got, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_buffer_and_the_block_of_its_copy_have_one_name() -> None:
    s = Schedule(matmul_relu())
    s.cache_write("C", "C", "local")
    s.set_scope("C_local", "shared")
    assert 'C_local = T.alloc((6, 8), "float32", scope="shared")' in s.program.script()
    assert [b.name for b in blocks_of(s.program.body)] == ["Y", "C", "C_local"]


@mlc.intrinsic
def ds_mma(A: T.Buffer((4, 3)), B: T.Buffer((3, 4)), C: T.Buffer((4, 4))):
    for i, j, k in T.grid(4, 4, 3):
        C[i, j] += A[i, k] * B[k, j]


def tensorized() -> tuple[Program, Schedule]:
    before = matmul(8, 8, 6)
    s = Schedule(before)
    pairs = [s.split(v, [None, f]) for v, f in zip(s.loops("C"), (4, 4, 3), strict=True)]
    s.reorder(*(p[0] for p in pairs), *(p[1] for p in pairs))
    s.decompose_reduction("C", pairs[2][0])
    s.tensorize(pairs[0][1], "ds_mma")
    return before, s


def test_operands_of_an_intrinsic_are_cached() -> None:
    before, s = tensorized()
    s.cache_read("C_o", "A", "shared")
    s.cache_write("C_o", "C", "local")
    script = s.program.script()
    assert "A_shared[" in script.split("T.reads(")[1].split(")")[0]
    assert "ds_mma" in script
    assert "C_local" in script.split("T.writes(")[1].split(")")[0]
    assert_same(before, s.program)
    assert_round_trips(s)


def test_operands_of_an_intrinsic_keep_their_layout() -> None:
    _, s = tensorized()
    s.cache_read("C_o", "A", "shared")
    with pytest.raises(ScheduleError, match="A_shared is passed to a call as a box"):
        s.transform_layout(None, "A_shared", lambda i, k: (k, i))
    with pytest.raises(ScheduleError, match="passes A_shared to a call as a box"):
        s.reindex("C_o", "A_shared")
