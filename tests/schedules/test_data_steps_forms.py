"""reindex, decompose_padding and pad_einsum: blocks in a form that others can work with."""

from __future__ import annotations

import random

import pytest

import mlc.te as te
from mlc.dtypes import float32
from mlc.errors import NotProvenError, ScheduleError
from mlc.ir.program import Allocate, Buffer, Program, Store, blocks_of, walk
from mlc.schedules.regions import buffers_read, buffers_written
from mlc.schedules.schedule import Schedule

from .data_step_programs import (
    PROGRAMS,
    assert_same,
    buffers,
    matmul,
    nest,
    padded_convolution,
    program_of,
    stencil,
)


def names(program: Program) -> list[str]:
    return [block.name for block in blocks_of(program.body)]


def shapes(program: Program) -> dict[str, tuple[int, ...]]:
    found = [b for n in walk(program.body) if isinstance(n, Allocate) for b in n.buffers]
    return {b.name: b.shape for b in found}


def strided_convolution() -> Program:
    x, w = te.placeholder((2, 9), name="X"), te.placeholder((3, 2, 3), name="W")
    ci, r = te.reduce_axis(2, "ci"), te.reduce_axis(3, "r")
    y = te.compute(
        (3, 4), lambda o, i: te.sum(x[ci, i * 2 + r] * w[o, ci, r], axis=(ci, r)), name="Y"
    )
    return program_of(y, inputs=[x, w])


# ---- reindex


def test_reindex_of_what_is_read() -> None:
    before = strided_convolution()
    s = Schedule(before)
    assert s.reindex("Y", "X") == "X_reindex"
    assert shapes(s.program) == {"X_reindex": (4, 2, 3)}
    assert "X_reindex[v0, v1, v2] = X[v1, v0 * 2 + v2]" in s.program.script()
    assert "Y[vo, vi] += X_reindex[vi, vci, vr] * W[vo, vci, vr]" in s.program.script()
    assert_same(before, s.program)


def test_reindex_of_what_is_written() -> None:
    before = blocked()
    s = Schedule(before)
    assert s.reindex("Y", "Y") == "Y_reindex"
    assert names(s.program) == ["Y", "Y_reindex"]
    assert "Y[v0 // 2, v1, v0 % 2] = Y_reindex[v0, v1]" in s.program.script()
    assert_same(before, s.program)


def blocked() -> Program:
    x, y = buffers(("X", (6, 4)), ("Y", (3, 4, 2)))
    body = nest("Y", (6, 4), lambda i, j: Store(y, (i // 2, j, i % 2), x[i, j]))
    return Program("f", (x, y), body)


def test_reindex_is_refused_where_places_differ_or_leave_the_buffer() -> None:
    s = Schedule(stencil())
    with pytest.raises(ScheduleError, match=r"touches B\[i\] and B\[i \+ 1\] .*wanted is one"):
        s.reindex("C", "B")
    s = Schedule(padded_convolution())
    with pytest.raises(ScheduleError, match=r"leaves X.* use s.decompose_padding first"):
        s.reindex("P", "X")
    y = Buffer("Y", (4,), float32)
    body = nest("Y", (4,), lambda i: Store(y, (i,), y[i] * 2.0))
    s = Schedule(Program("f", (y,), body))
    with pytest.raises(ScheduleError, match="block 'Y' reads Y, which it writes, as well"):
        s.reindex("Y", "Y")


# ---- decompose_padding


def test_padding_of_a_copy() -> None:
    before = padded_convolution()
    s = Schedule(before)
    outer, _ = s.loops("P")
    assert s.decompose_padding("P", outer) == "P_pad"
    assert names(s.program) == ["P_pad", "P", "Y"]
    script = s.program.script()
    assert "for c, i in T.grid(2, 6):" in script
    assert "P[vc, vi + 1] = X[vc, vi + 1 - 1]" in script
    assert_same(before, s.program)


def test_padding_inside_a_loop_and_after_a_split() -> None:
    before = padded_convolution()
    s = Schedule(before)
    _, inner = s.loops("P")
    s.split(inner, [2, 4])
    s.decompose_padding("P", s.loops("P")[1])
    assert [len(s.loops(name)) for name in ("P_pad", "P")] == [3, 3]
    assert "with T.when((vi >= 1) & (vi < 7)):" in s.program.script()
    assert_same(before, s.program)


@pytest.mark.parametrize("seed", range(8))
def test_paddings_of_two_axes(seed: int) -> None:
    rng = random.Random(seed)
    low, high = rng.randrange(3), rng.randrange(3)
    x = te.placeholder((4, 5), name="X")
    p = te.compute(
        (4 + low + high, 5),
        lambda i, j: te.select(
            (i >= low) & (4 + low > i) & (j <= 4) & ((i + j) % 2 < 2), x[i - low, j], 1.0
        ),
        name="P",
    )
    y = te.compute((4 + low + high, 5), lambda i, j: p[i, j] * 2.0, name="Y")
    before = program_of(p, y, inputs=[x])
    s = Schedule(before)
    s.decompose_padding("P", rng.choice(s.loops("P")))
    assert_same(before, s.program)


def test_what_is_no_padding_is_refused() -> None:
    s = Schedule(stencil())
    with pytest.raises(ScheduleError, match=r"is not of the form B\[i\] = select"):
        s.decompose_padding("B", s.loops("B")[0])
    with pytest.raises(ScheduleError, match="loop i is not around block 'B'"):
        s.decompose_padding("B", s.loops("C")[0])
    (a,) = buffers(("A", (6,)))
    body = nest("A", (6,), lambda i: Store(a, (i,), te.select(i > 1, a[i - 2], 0.0)))
    s = Schedule(Program("f", (a,), body))
    with pytest.raises(ScheduleError, match="block 'A' reads A, which it writes"):
        s.decompose_padding("A", s.loops("A")[0])


# ---- pad_einsum


def test_a_product_padded_to_multiples() -> None:
    before = matmul(5, 6, 7)
    s = Schedule(before)
    assert s.pad_einsum("C", [4, 3, 4]) == ("A_pad", "B_pad", "C_pad")
    assert shapes(s.program) == {"A_pad": (8, 8), "B_pad": (8, 6), "C_pad": (8, 6)}
    assert "T.select((v0 < 5) & (v1 < 7), A[v0, v1], 0.0)" in s.program.script()
    assert names(s.program) == ["A_pad", "B_pad", "C", "C_pad"]
    assert_same(before, s.program)


def test_only_what_needs_it_is_padded() -> None:
    before = matmul(4, 6, 7)
    s = Schedule(before)
    assert s.pad_einsum("C", (1, 4, 1)) == ("B_pad", "C_pad")
    assert_same(before, s.program)
    again = Schedule(before)
    assert again.pad_einsum("C", (4, 3, 7)) == ()
    assert_same(before, again.program)


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_maxima_are_padded_with_the_least_number(dtype: str) -> None:
    x = te.placeholder((3, 5), dtype, name="X")
    k = te.reduce_axis(5, "k")
    y = te.compute((3,), lambda i: te.max(x[i, k], axis=k), name="Y")
    before = program_of(y, inputs=[x])
    s = Schedule(before)
    s.pad_einsum("Y", [2, 4])
    assert ("-2147483648" if dtype == "int32" else "-np.inf") in s.program.script()
    assert_same(before, s.program)


def test_einsums_whose_padding_would_count_are_not_taken() -> None:
    x, w = te.placeholder((3, 5), name="X"), te.placeholder((3,), name="W")
    k = te.reduce_axis(5, "k")
    y = te.compute((3,), lambda i: te.sum(te.exp(x[i, k]), axis=k), name="Y")
    s = Schedule(program_of(y, inputs=[x]))
    with pytest.raises((ScheduleError, NotProvenError), match="outside of axis k would change"):
        s.pad_einsum("Y", [1, 4])
    s.pad_einsum("Y", [2, 1])
    assert_same(program_of(y, inputs=[x]), s.program)
    # 0 * W[i] is not 0 where W[i] is infinite
    z = te.compute((3,), lambda i: te.sum(x[i, k] * w[i], axis=k), name="Z")
    s = Schedule(program_of(z, inputs=[x, w]))
    with pytest.raises((ScheduleError, NotProvenError), match="outside of axis k would change"):
        s.pad_einsum("Z", [1, 4])


def test_what_is_no_einsum_is_refused() -> None:
    s = Schedule(stencil())
    with pytest.raises(ScheduleError, match="is no einsum: its body is not one accumulation"):
        s.pad_einsum("C", [4])
    with pytest.raises(ScheduleError, match="one padding >= 1 for each of the 1 axes"):
        s.pad_einsum("C", [4, 4])
    s = Schedule(strided_convolution())
    with pytest.raises(ScheduleError, match=r"\[ci, i \* 2 \+ r\] are not different axes"):
        s.pad_einsum("Y", [4, 4, 1, 1])
    s = Schedule(matmul())
    s.split(s.loops("C")[0], [None, 2])
    with pytest.raises(ScheduleError, match="are not just one for each of its axes"):
        s.pad_einsum("C", [4, 4, 4])


# ---- all of them


REASONS = (
    "wanted is one place",
    "use s.decompose_padding first",
    "is not of the form",
    "is no einsum",
    "not just one for each",
    "holds more than loops",
    "not shown",
    "in the same loops",
)


@pytest.mark.parametrize("name", [*PROGRAMS, "strided"])
def test_forms_keep_the_meaning(name: str) -> None:
    rng = random.Random(name)
    make = PROGRAMS.get(name, strided_convolution)
    taken = 0
    for _ in range(8):
        before = make()
        s = Schedule(before)
        for _ in range(4):
            block = rng.choice(blocks_of(s.program.body))
            try:
                match rng.choice(["reindex", "reindex", "padding", "einsum", "split", "cache"]):
                    case "reindex":
                        read, written = buffers_read(block), buffers_written(block)
                        s.reindex(block, rng.choice([*read, *written]))
                    case "padding":
                        s.decompose_padding(block, rng.choice(s.loops(block)))
                    case "einsum":
                        s.pad_einsum(block, [rng.choice([1, 2, 3, 4]) for _ in block.iters])
                    case "split":
                        s.split(rng.choice(s.loops(block)), [None, rng.choice([2, 3])])
                    case _:
                        s.cache_read(block, 0, "local")
                taken += 1
            except (ScheduleError, NotProvenError) as refused:
                assert any(why in str(refused) for why in REASONS), refused
        assert_same(before, s.program)
    assert taken > 8
