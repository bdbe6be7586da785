"""Prefetches that a schedule asks for are instructions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import Schedule
from mlc import script as T
from mlc.backends.llvm.target import host_target
from mlc.errors import ScheduleError


@T.program
def product(A: T.Buffer((64, 64)), B: T.Buffer((64, 64)), C: T.Buffer((64, 64))) -> None:
    for i, k, j in T.grid(64, 64, 64):
        with T.block("C"):
            vi, vk, vj = T.remap("SRS", [i, k, j])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


@T.program
def gather(A: T.Buffer((64,)), I: T.Buffer((32,), "int64"), B: T.Buffer((32,))) -> None:
    for i in T.serial(32):
        with T.block("B"):
            v = T.axis.spatial(32, i)
            B[v] = A[I[v]]


@T.program
def flat(A: T.Buffer((64, 64), "float32"), B: T.Buffer((4096,), "float32")):
    for i in T.serial(4096):
        with T.block("B"):
            v = T.axis.spatial(4096, i)
            B[v] = A[v // 64, v % 64]


@T.program
def sums(A: T.Buffer((64, 64)), B: T.Buffer((64,))) -> None:
    for k, j in T.grid(64, 64):
        with T.block("B"):
            vk, vj = T.remap("RS", [k, j])
            with T.init():
                B[vj] = 0.0
            B[vj] += A[vk, vj]


def asked(s: Schedule) -> list[int]:
    """By how many bytes each prefetch is ahead of the address that it starts from."""
    found = re.findall(r"prefetcht0\s+(-?\w*)\(", mlc.build(s.program).lower().asm)
    return [int(offset or "0", 0) for offset in found]


def test_lines_of_the_rows_ahead() -> None:
    s = Schedule(product)
    _, k, j = s.loops("C")
    s.vectorize(s.split(j, [None, 16])[1])
    assert asked(s) == []
    s.prefetch("C", "B", k, 2)
    places = asked(s)
    assert len(places) == 4  # a row of 256 bytes
    assert np.diff(sorted(places)).tolist() == [64, 64, 64]
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 5, (64, 64)).astype("float32") for _ in "ab")
    c = np.zeros((64, 64), "float32")
    mlc.build(s.program)(a, b, c)
    assert (c == a @ b).all()


def test_at_most_32_lines() -> None:
    s = Schedule(product)
    i, k, j = s.loops("C")
    s.vectorize(s.split(j, [None, 16])[1])
    s.prefetch("C", "B", i)  # the same for each i: nothing to ask for
    assert asked(s) == []
    s.reorder(k, i)
    s.prefetch("C", "A", k, 16)  # a line in each of 64 rows
    assert len(asked(s)) == 32


def test_equal_shares_of_the_lines() -> None:
    shares = []
    for part in range(2):
        s = Schedule(product)
        _, k, j = s.loops("C")
        s.vectorize(s.split(j, [None, 16])[1])
        s.prefetch("C", "B", k, 2, part, 2)
        shares.append(asked(s))
    assert [len(share) for share in shares] == [2, 2]
    assert np.diff(sorted(shares[0])).tolist() == [128]
    assert sorted(shares[1]) != sorted(shares[0])


def test_rows_and_columns_of_one_number() -> None:
    s = Schedule(flat)
    s.prefetch("B", "A", s.loop("i"), 4)
    assert len(asked(s)) == 1


@pytest.mark.parametrize(("buffer", "count"), [("A", 0), ("I", 1)])
def test_places_that_depend_on_data_are_not_asked_for(buffer: str, count: int) -> None:
    s = Schedule(gather)
    s.prefetch("B", buffer, s.loop("i"), 8)
    assert len(asked(s)) == count
    arguments: list[Any] = [np.arange(64, dtype="float32"), np.arange(32)[::-1].copy()]
    out = np.zeros(32, "float32")
    mlc.build(s.program)(*arguments, out)
    assert (out == arguments[0][arguments[1]]).all()


@T.program
def twice(A: T.Buffer((64, 64)), B: T.Buffer((64,))) -> None:
    for i in T.serial(64, annotations={"prefetch": (("B", "row", 1), ("row", "A", 1))}):
        row = T.alloc((64,), "float32")
        for j in T.serial(64):
            with T.block("row"):
                vi, vj = T.remap("SS", [i, j])
                row[vj] = A[vi, vj] * 2.0
        with T.block("B"):
            vi = T.remap("S", [i])
            B[vi] = row[vi]


def test_memory_of_one_iteration_is_not_asked_for_in_another() -> None:
    s = Schedule(twice)
    (i,) = s.loops("B")
    with pytest.raises(ScheduleError, match="of loop i makes 'row' anew, so nothing"):
        s.prefetch("B", "row", i)
    assert len(asked(s)) == 4  # the row of A alone


def test_rows_whose_ends_meet_are_asked_for_as_they_lie() -> None:
    """Four rows of 256 bytes, side by side, a vector of each a step: the next four begin 1024 bytes
    on, and each step asks for four lines of them, one behind the other."""
    s = Schedule(sums)
    k, j = s.loops("B")
    outer, rows = s.split(k, [None, 4])
    step, lane = s.split(j, [None, 16])
    s.reorder(outer, step, rows, lane)
    s.unroll(rows)
    s.vectorize(lane)
    s.prefetch("B", "A", step, 16, in_order=True)
    text = mlc.build(s.program).lower().llvm
    assert text.count("call void @llvm.prefetch") == 4
    a = np.arange(64 * 64, dtype=np.float32).reshape(64, 64) % 7
    b = np.empty(64, np.float32)
    mlc.build(s.program)(a, b)
    np.testing.assert_array_equal(b, a.sum(0))
    asked = re.findall(r"prefetch.p0\(ptr (%\w+)", text)
    places = [
        re.search(rf"{name} = getelementptr float, ptr (%\w+), i64 (\d+)", text) for name in asked
    ]
    assert [int(place[2]) for place in places if place] == [0, 16, 32, 48]


@pytest.mark.skipif(host_target().arch != "x86_64", reason="other names of instructions")
@pytest.mark.parametrize("rows", [1024, 16384])
@pytest.mark.parametrize("way", ["max", "var", "abs"])
def test_far_memory_waits_in_a_large_second_cache(rows: int, way: str) -> None:
    target = host_target()
    x, l2 = np.empty((rows, 2048), np.float32), target.l2_bytes
    near = max(l2, target.past_bytes) if target.looks_ahead else l2
    f = {"max": lambda x: x.max(1), "var": lambda x: x.var(1), "abs": lambda x: abs(x)}
    text = mlc.jit(f[way]).lower(x).asm
    # what is written past the caches is in nobody's way; where vectors are short, a fold of one
    # instruction leaves it to the processor to look ahead
    looks = way != "max" or target.vector_bits >= 512
    waits = l2 >= 2 << 20 and x.nbytes > 8 * l2 and (way != "abs" or "vmovnt" in text)
    assert ("prefetcht1" in text) == (waits and looks)
    assert ("prefetcht0" in text) == (x.nbytes > near and not waits and looks)


@T.program
def stencil(A: T.Buffer((66, 66)), B: T.Buffer((64, 64))) -> None:
    for i, j in T.grid(64, 64):
        with T.block("B"):
            vi, vj = T.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj + 1] + A[vi + 1, vj] + A[vi + 1, vj + 2] + A[vi + 2, vj + 1]


def test_the_last_row_of_a_stencil_is_asked_for_alone() -> None:
    s = Schedule(stencil)
    _, j = s.loops("B")
    step, lanes = s.split(j, [None, 32])
    s.vectorize(lanes)
    s.prefetch("B", "A", step, 2)
    assert len(asked(s)) == 2 * 4
    s.prefetch("B", "A", step, 2, last=True)
    assert len(asked(s)) == 2
    with pytest.raises(ScheduleError, match="the last row is asked for alone"):
        s.prefetch("B", "A", step, 2, in_order=True, last=True)


@T.program
def rows(A: T.Buffer((50, 64)), I: T.Buffer((20,), "int64"), B: T.Buffer((20, 64))) -> None:
    for i, j in T.grid(20, 64):
        with T.block("B"):
            vi, vj = T.remap("SS", [i, j])
            B[vi, vj] = A[T.min(T.max(I[vi], 0), 49), vj]


def test_rows_that_data_choose_are_asked_for_place_by_place() -> None:
    s = Schedule(rows)
    _, j = s.loops("B")
    step, lanes = s.split(j, [None, 32])
    s.vectorize(lanes)
    s.prefetch("B", "A", step, 2)
    assert asked(s) == []  # it does not know where
    s.prefetch("B", "A", step, 2, chosen=True)
    assert len(asked(s)) == 2
    a, b = (
        np.random.default_rng(0).standard_normal((50, 64)).astype("float32"),
        np.zeros((20, 64), "float32"),
    )
    which = np.arange(20)[::-1] * 3 % 50
    mlc.build(s.program)(a, which, b)
    assert (b == a[which]).all()
    with pytest.raises(ScheduleError, match="rows that data choose are asked for one by one"):
        s.prefetch("B", "A", step, 2, last=True, chosen=True)


@pytest.mark.parametrize(("columns", "hints"), [(768, 1), (64, 0)])
def test_long_rows_that_data_choose_are_asked_for_early(columns: int, hints: int) -> None:
    w = np.random.default_rng(0).standard_normal(((8 << 20) // columns, columns)).astype("float32")
    which = np.array([5, 0, -1, 7, 7, 3])
    f = mlc.jit(lambda w, i: w[i])
    np.testing.assert_array_equal(f(w, which), w[which])
    assert str(f.lower(w, which).schedule).count("chosen=True") == hints


def test_what_has_another_shape_than_the_result_is_loaded_once() -> None:
    """A result lies nowhere but where an argument of its shape may lie."""
    text = mlc.build(Schedule(rows).program).lower().llvm
    inner = str(text).split("phi i64")[-1]
    assert inner.count("load i64") == 0
