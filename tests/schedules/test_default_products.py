"""Default schedules of matrix products: where sums are gathered, and that they are right."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
import mlc.te as te
from mlc.backends.llvm.target import host_target
from mlc.ir.expr import Axis, Expr
from mlc.ir.program import Allocate, Buffer, For, LoopKind, Program, blocks_of, walk
from mlc.schedules import step as steps
from mlc.schedules.defaults.cpu import default_schedule
from mlc.schedules.defaults.machine import Machine
from mlc.te.program import Nest

STAGES = (("software_pipeline_stage", (0, 1)),)


def sums_of_few_rows(m: int, k: int, n: int) -> list[Buffer]:
    a, b = te.placeholder((m, k), name="a"), te.placeholder((k, n), name="b")
    r = te.reduce_axis(k)
    y = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="y")
    done = default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], Machine())
    return [b for s in walk(done.program.body) if isinstance(s, Allocate) for b in s.buffers]


@pytest.mark.parametrize("columns", [1024, 4096])
def test_the_sums_of_few_rows_lie_apart_from_what_the_matrix_takes_in_the_cache(columns) -> None:
    (sums,) = sums_of_few_rows(8, 1024, columns)
    pitch = 4 * sums.element_strides[0]
    assert sums.shape[0] == 8
    assert len({row * pitch % 4096 // 64 for row in range(8)}) == 8, "eight sets of the cache"


def test_one_row_is_summed_where_it_belongs() -> None:
    assert sums_of_few_rows(1, 4096, 4096) == []


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("shape", [(2, 515, 1024), (8, 512, 1100), (13, 600, 640)])
def test_products_of_few_rows(dtype, shape) -> None:
    m, k, n = shape
    rng = np.random.default_rng(m)
    a = rng.integers(-9, 9, (m, k)).astype(dtype)
    b = rng.integers(-9, 9, (k, n)).astype(dtype)
    np.testing.assert_array_equal(mlc.jit(lambda a, b: a @ b)(a, b), a @ b)
    np.testing.assert_array_equal(mlc.jit(lambda a, b: 2 * (a @ b) + 1)(a, b), 2 * (a @ b) + 1)


@pytest.mark.skipif(host_target().vector_bits < 512, reason="a tile fills AVX-512's registers")
@pytest.mark.parametrize("rows", [64, 66, 100])  # with rows left behind the tiles, and without
def test_tiles_with_an_epilogue_have_no_spills(rows: int) -> None:
    x, w, b = (np.zeros(s, np.float32) for s in ((rows, 300), (300, 64), (64,)))
    text = mlc.jit(lambda x, w, b: np.maximum(x @ w + b, 0)).lower(x, w, b).asm
    loops = [part for part in text.split(".LBB") if part.count("vfmadd") >= 12]
    assert loops
    for loop in loops:
        inner = loop[loop.find("vfmadd") : loop.rfind("vfmadd")]
        assert "(%rsp)" not in inner, inner


def product(
    m: int, k: int, n: int, machine: Machine, dtype: str = "float32", turned: bool = False
) -> Program:
    a = te.placeholder((m, k), dtype, name="a")
    b = te.placeholder((n, k) if turned else (k, n), dtype, name="b")
    r = te.reduce_axis(k)

    def element(i: Axis, j: Axis) -> Expr:
        return te.sum(a[i, r] * (b[j, r] if turned else b[r, j]), axis=r)

    y = te.compute((m, n), element, name="y")
    return default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], machine).program


def loops_around(program: Program, block: str) -> list[int]:
    """The extents of loops around a block, outermost first."""
    return [loop.extent for loop in steps.loops_around(program, block)]


@pytest.mark.parametrize(("threads", "around"), [(2, [4, 512, 4]), (8, [512, 16])])
def test_operands_are_packed_in_the_order_they_lie_in(threads: int, around: list[int]) -> None:
    """And by the columns that one thread goes through, where there are enough of those."""
    program = product(1024, 512, 1024, Machine(threads=threads))
    assert loops_around(program, "b_packed")[: len(around)] == around


@pytest.mark.parametrize(
    ("threads", "rows", "l2", "first"),
    [
        (1, 256, 2 << 20, 43),
        (2, 256, 2 << 20, 4),
        (4, 256, 2 << 20, 4),
        (3, 256, 2 << 20, 43),  # of four panels, one would be left
        (2, 512, 2 << 20, 86),  # rows that would not stay in the cache
        (2, 256, 1 << 20, 4),
    ],
)
def test_threads_do_not_wait_for_a_copy_where_each_can_make_its_own(
    threads: int, rows: int, l2: int, first: int
) -> None:
    program = product(rows, 256, 256, Machine(l1=48 << 10, l2=l2, threads=threads))
    assert loops_around(program, "y")[0] == first


@pytest.mark.parametrize(("threads", "first"), [(1, 2), (2, 4), (4, 2)])
def test_blocks_of_columns_leave_threads_several_each(threads: int, first: int) -> None:
    """But panels are not parted for it: more threads share out the rows of each block."""
    machine = Machine(l1=48 << 10, l2=2 << 20, threads=threads)
    assert loops_around(product(512, 512, 512, machine), "y")[0] == first


@pytest.mark.parametrize(
    "shape",
    [(384, 520, 1000), (64, 784, 128), (5, 385, 300, 520), (256, 256, 256), (64, 530, 1024)],
)
def test_each_thread_packs_the_columns_that_it_goes_through(shape: tuple[int, ...]) -> None:
    *batch, m, k, n = shape
    rng = np.random.default_rng(0)
    a = rng.integers(-9, 9, (*batch, m, k)).astype(np.float32)
    b = rng.integers(-9, 9, (*batch, k, n)).astype(np.float32)
    multiply = mlc.jit(lambda a, b: np.maximum(a @ b, 1))
    for threads in (1, 2, 5):
        with mlc.set_num_threads(threads):
            np.testing.assert_array_equal(multiply(a, b), np.maximum(a @ b, 1))
            turned = np.ascontiguousarray(b.swapaxes(-1, -2)).swapaxes(-1, -2)
            np.testing.assert_array_equal(multiply(a, turned), np.maximum(a @ b, 1))


def test_columns_are_turned_right_before_they_are_multiplied() -> None:
    around = loops_around(product(256, 1024, 1024, Machine(), turned=True), "b_packed_o")
    assert around == [8, 2, 2, 1]  # of eight blocks, two panels, in runs of 512 steps


@pytest.mark.parametrize(
    ("vector_bytes", "rows", "size", "packed"),
    [
        (64, 48, 1024, True),
        (64, 47, 1024, False),
        (64, 24, 512, True),
        (64, 23, 512, False),
        (32, 128, 1024, False),
    ],
)
def test_rows_of_vectors_that_lie_in_two_lines_ask_for_turned_columns(
    vector_bytes: int, rows: int, size: int, packed: bool
) -> None:
    machine = Machine(vector_bytes=vector_bytes, l2=1280 << 10)
    names = [b.name for b in blocks_of(product(rows, size, size, machine, turned=True).body)]
    assert packed is ("y_lanes" not in names)


@pytest.mark.skipif(host_target().vector_bits < 512, reason="a tile fills AVX-512's registers")
def test_the_loop_of_a_product_begins_a_line_and_reads_nothing_by_the_frame_pointer() -> None:
    a, b = np.zeros((384, 512), np.float32), np.zeros((512, 1024), np.float32)
    text = mlc.jit(lambda a, b: a @ b).lower(a, b).asm
    (loop,) = [part for part in text.split(".LBB") if part.count("vfmadd") == 48]
    assert "(%rbp" not in loop
    assert text[: text.index(loop)].rstrip(".LB").rstrip().endswith(".p2align\t6")


@pytest.mark.parametrize(
    ("l2", "depth", "panels"),
    [
        (1 << 20, 1024, 2),
        (2 << 20, 1024, 2),
        (2 << 20, 512, 4),
        (2 << 20, 256, 4),
        (1 << 19, 512, 2),
    ],
)
def test_rows_go_by_as_many_columns_as_leave_room_in_the_cache(l2, depth, panels) -> None:
    around = loops_around(product(1024, depth, 4096, Machine(l2=l2)), "y")
    assert around[:3] == [64 // panels, 171, panels]


@pytest.mark.parametrize(("l1", "outer"), [(48, [32, 171]), (80, [16, 171, 2])])
def test_rows_that_the_nearest_cache_does_not_hold_are_used_once(l1, outer) -> None:
    machine = Machine(l1=l1 << 10, l2=2 << 20)
    around = loops_around(product(1024, 1024, 1024, machine, "float64"), "y")
    assert around[: len(outer) + 1] == [*outer, 1024]


@pytest.mark.parametrize(
    ("l1", "l2", "rows", "size", "packed"),
    [
        (48 << 10, 1 << 20, 48, 256, True),
        (48 << 10, 1 << 20, 47, 256, False),
        (48 << 10, 1 << 20, 32, 1024, True),
        (48 << 10, 1 << 20, 31, 1024, False),
        (48 << 10, 2 << 20, 256, 256, True),
        (48 << 10, 2 << 20, 64, 512, True),
        (48 << 10, 2 << 20, 63, 512, False),
        (48 << 10, 2 << 20, 64, 1024, False),
        (48 << 10, 1 << 20, 128, 128, True),
        (48 << 10, 1 << 20, 127, 128, False),
        (48 << 10, 2 << 20, 128, 128, True),
        (48 << 10, 2 << 20, 127, 128, False),
        (64 << 10, 2 << 20, 128, 128, False),
    ],
)
def test_which_caches_ask_for_packed_operands(l1, l2, rows, size, packed) -> None:
    program = product(rows, size, size, Machine(l1=l1, l2=l2, threads=1))
    assert packed is any(b.name == "b_packed" for b in blocks_of(program.body))


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_rows_that_lie_across_and_far_apart_are_turned(batch, dtype) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 9, (*batch, 512, n)).astype(dtype) for n in (520, 256))
    multiply = mlc.jit(lambda a, b: np.swapaxes(a, -1, -2) @ b)
    np.testing.assert_array_equal(multiply(a, b), np.swapaxes(a, -1, -2) @ b)
    assert "_turned" in str(multiply.lower(a, b).schedule)


@pytest.mark.parametrize(
    ("l2", "depth", "runs"),
    [
        (2 << 20, 2000, 4),  # 4 MB of panels, of which the cache holds 1 MB beside other things
        (1 << 20, 2000, 8),
        (2 << 20, 500, 1),  # all is in the cache
        (2 << 20, 2003, 1),  # a prime number of steps
    ],
)
def test_what_many_tiles_share_stays_in_the_cache_while_all_use_it(l2, depth, runs) -> None:
    panels = te.placeholder((8, depth, 64), name="panels")
    k = te.reduce_axis(depth, name="k")
    y = te.compute(
        (40, 64, 64),
        lambda t, i, j: te.sum(panels[(t // 5 + t % 5) % 8, k, i] * panels[t // 5, k, j], axis=k),
        name="y",
    )
    machine = Machine(l2=l2, threads=1)
    program = default_schedule("f", [Nest((y,), y.op)], 0, [panels], [y], machine).program
    extents = loops_around(program, "y")
    assert extents[:2] == ([runs, 40] if runs > 1 else [40, 11])


AVX2 = Machine(vector_bytes=32, registers=16, l1=32 << 10, l2=512 << 10, threads=1)


@pytest.mark.parametrize(
    ("blocks", "depth", "runs"),
    [
        (5, 500, 4),  # half of the second cache holds 125 steps of all
        (10, 1000, 10),  # half of it too few to take up sums anew for, all of it a hundred
        (40, 1000, 1),
    ],
)
def test_runs_are_shorter_where_the_second_cache_is_small(blocks, depth, runs) -> None:
    panels = te.placeholder((blocks, depth, 80), name="panels")
    k = te.reduce_axis(depth, name="k")
    y = te.compute(
        (5 * blocks, 64, 64),
        lambda t, i, j: te.sum(
            panels[(t // 5 + t % 5) % blocks, k, i] * panels[t // 5, k, j], axis=k
        ),
        name="y",
    )
    program = default_schedule("f", [Nest((y,), y.op)], 0, [panels], [y], AVX2).program
    extents = loops_around(program, "y")
    assert extents[:1] == [runs if runs > 1 else 5 * blocks]


@pytest.mark.parametrize(("depth", "runs"), [(500, 1), (2000, 20)])
def test_rows_in_order_that_stay_near_go_by_at_once(depth, runs) -> None:
    a = te.placeholder((320, depth), name="a")
    panels = te.placeholder((5, depth, 64), name="panels")
    k = te.reduce_axis(depth, name="k")
    y = te.compute(
        (25, 64, 64),
        lambda t, i, j: te.sum(a[t // 5 * 64 + i, k] * panels[t % 5, k, j], axis=k),
        name="y",
    )
    program = default_schedule("f", [Nest((y,), y.op)], 0, [a, panels], [y], AVX2).program
    assert loops_around(program, "y")[0] == (runs if runs > 1 else 25)


def test_matrices_that_no_others_share_are_multiplied_one_after_the_other() -> None:
    a, b = te.placeholder((8, 64, 4000), name="a"), te.placeholder((8, 4000, 64), name="b")
    k = te.reduce_axis(4000, name="k")
    y = te.compute((8, 64, 64), lambda t, i, j: te.sum(a[t, i, k] * b[t, k, j], axis=k), name="y")
    done = default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], Machine(l2=1 << 20))
    assert loops_around(done.program, "y")[0] == 8


@pytest.mark.parametrize(
    ("l2", "depth", "runs"),
    [
        (2 << 20, 2048, 1),  # a panel of columns stays in the cache beside all that goes by
        (2 << 20, 8192, 4),
        (2 << 20, 3000, 2),
        (1 << 20, 2048, 1),
        (1 << 20, 8192, 4),
        (2 << 20, 8191, 1),  # a prime number of steps
    ],
)
def test_long_reductions_go_by_in_runs_for_a_panel_of_columns(l2, depth, runs) -> None:
    program = product(512, depth, 512, Machine(l2=l2, threads=1))
    inner = [86, depth // runs, 6, 4, 16]
    assert loops_around(program, "y") == [8, *([runs] if runs > 1 else []), *inner]
    assert loops_around(program, "b_packed")[0] == 8, "a part for each panel"
    assert depth // runs in loops_around(program, "b_packed")


def test_rows_that_are_one_tile_read_a_panel_once() -> None:
    program = product(5, 9000, 100, Machine(l2=2 << 20, threads=1))
    assert not any(loop.extent == 4500 for loop in steps.loops_around(program, "y"))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(70, 5000, 100), (70, 3000, 300), (12, 6000, 40)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_long_reductions(shape, dtype, threads) -> None:
    m, k, n = shape
    rng = np.random.default_rng(m)
    a = rng.integers(-3, 4, (m, k)).astype(dtype)
    b = rng.integers(-3, 4, (k, n)).astype(dtype)
    with mlc.set_num_threads(threads):
        np.testing.assert_array_equal(mlc.jit(lambda a, b: a @ b)(a, b), a @ b)
        turned = mlc.jit(lambda a, b: a.T @ b.T)(a.T.copy(), b.T.copy())
    np.testing.assert_array_equal(turned, a @ b)


@pytest.mark.parametrize(
    ("shape", "rows", "vectors"),
    [((512, 512, 512), 6, 2), ((4, 60, 100), 4, 3), ((9, 50, 5), 8, 1)],
)
def test_sixteen_registers_are_all_taken(shape: tuple[int, int, int], rows: int, vectors: int):
    """Sums, the columns that they take, and one element of a row: twelve, two and one."""
    around = steps.loops_around(product(*shape, AVX2), "y")
    unrolled = [loop.extent for loop in around if loop.kind is LoopKind.UNROLLED]
    assert unrolled == ([rows, vectors] if vectors > 1 else [rows])


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ((1024, 1024, 8), 7),  # eight rows would take all eight places of a line
        ((1024, 1000, 8), 8),
        ((16, 1024, 8), 8),  # one row more than a tile would take as long as a tile
        ((1024, 1024, 16), 6),
    ],
)
def test_rows_that_want_the_same_places_leave_one(shape: tuple[int, int, int], rows: int):
    around = steps.loops_around(product(*shape, AVX2), "y")
    assert next(loop.extent for loop in around if loop.kind is LoopKind.UNROLLED) == rows


@pytest.mark.skipif(host_target().vector_registers > 16, reason="tiles of sixteen registers")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("depth", [96, 700])
def test_tiles_of_sixteen_registers_have_no_spills(dtype: type, depth: int) -> None:
    a, b = np.zeros((96, depth), dtype), np.zeros((depth, 320), dtype)
    text = mlc.jit(lambda a, b: np.maximum(a @ b, 1)).lower(a, b).asm
    loops = [part for part in text.split(".LBB") if part.count("vfmadd") in (12, 24)]
    assert loops
    for loop in loops:
        inner = loop[: loop.rfind("vfmadd")]
        assert "(%rsp)" not in inner[inner.find("vfmadd") :]


@pytest.mark.parametrize(
    ("rows", "size", "is_packed"),
    [
        (256, 256, True),  # lines 1024 bytes apart: 32 of them stay in the nearest cache
        (128, 128, True),
        (64, 64, False),  # 64 lines, of which 128 would stay, and too few rows
        (128, 60, False),  # lines 240 bytes apart: they lie anywhere
        (48, 256, False),  # too few rows for a copy
        (300, 201, False),  # they lie anywhere, and half of the cache holds them
    ],
)
def test_panels_of_one_line_a_step_are_packed_where_lines_push_each_other_out(
    rows: int, size: int, is_packed: bool
) -> None:
    names = [b.name for b in blocks_of(product(rows, size, size, AVX2).body)]
    assert ("b_packed" in names) == is_packed
    wide = Machine(threads=1, vector_bytes=32)  # two lines a step
    assert "b_packed" not in [b.name for b in blocks_of(product(rows, 256, 256, wide).body)]


@pytest.mark.parametrize(("machine", "is_written_out"), [(AVX2, True), (Machine(), False)])
def test_short_loops_of_a_reduction_are_written_out_in_small_tiles(machine, is_written_out) -> None:
    a, b = te.placeholder((64, 40, 3), name="a"), te.placeholder((40, 3, 320), name="b")
    r, q = te.reduce_axis(40, "r"), te.reduce_axis(3, "q")
    y = te.compute((64, 320), lambda i, j: te.sum(a[i, r, q] * b[r, q, j], axis=(r, q)), name="y")
    program = default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], machine).program
    (short,) = [loop for loop in steps.loops_around(program, "y") if loop.extent == 3]
    assert (short.kind is LoopKind.UNROLLED) == is_written_out


@pytest.mark.parametrize(
    ("shape", "rows", "vectors"),
    [
        ((8, 2048, 2048), 4, 3),
        ((10, 2048, 2048), 5, 2),
        ((6, 2048, 2048), 6, 2),
        ((32, 1024, 4096), 4, 3),
    ],
)
def test_some_rows_go_by_in_tiles_that_fill_sixteen_registers(shape, rows: int, vectors: int):
    around = steps.loops_around(product(*shape, AVX2), "y_sums")
    assert [loop.extent for loop in around if loop.kind is LoopKind.UNROLLED] == [rows, vectors]


def test_columns_of_many_rows_are_packed_in_short_vectors_instead_of_copied_by_tiles() -> None:
    assert "b_packed" in [b.name for b in blocks_of(product(64, 768, 3072, AVX2).body)]
    large = Machine(l2=2 << 20)
    assert "b_packed" not in [b.name for b in blocks_of(product(64, 768, 3072, large).body)]


@pytest.mark.parametrize(("columns", "is_asked_for"), [(2048, True), (512, False)])
def test_panels_of_one_line_are_copied_side_by_side(columns: int, is_asked_for: bool) -> None:
    """Rows of the matrix that are pages apart are asked for early."""
    rows, panels, *_ = steps.loops_around(product(128, 1024, columns, AVX2), "b_packed")[1:]
    assert (rows.extent, panels.extent, panels.kind) == (1024, 4, LoopKind.UNROLLED)
    assert ("prefetch" in dict(rows.annotations)) == is_asked_for


@pytest.mark.parametrize(("depth", "panels"), [(512, 4), (2048, 2)])
def test_rows_meet_two_panels_where_the_second_cache_holds_them(depth: int, panels: int) -> None:
    assert loops_around(product(512, depth, 2048, AVX2), "y")[:3] == [128 // panels, 86, panels]


@pytest.mark.parametrize(
    ("machine", "is_asked_for"),
    [(Machine(), {True, False}), (AVX2, set()), (Machine(looks_ahead=True), set())],
)
@pytest.mark.parametrize("along", [False, True])
def test_large_matrices_are_asked_for_early_where_vectors_are_lines(machine, is_asked_for, along):
    x, w = te.placeholder((4096,), name="x"), te.placeholder((4096, 4096), name="w")
    r = te.reduce_axis(4096)
    y = te.compute(
        (4096,), lambda i: te.sum((w[i, r] if along else w[r, i]) * x[r], axis=r), name="y"
    )
    program = default_schedule("f", [Nest((y,), y.op)], 0, [x, w], [y], machine).program
    loops = [s for s in walk(program.body) if isinstance(s, For)]
    found = any("prefetch" in dict(loop.annotations) for loop in loops)
    assert found == (along in is_asked_for)


@pytest.mark.parametrize(
    ("shape", "packed"),
    [
        ((4, 616, 195), False),
        ((12, 128, 256), False),
        ((16, 128, 256), True),  # registers turn whole panels of columns quickly,
        ((16, 128, 250), False),  # others take longer
        ((40, 128, 250), True),
        ((3, 64, 64), False),
        ((6, 64, 64), True),  # for so few steps, sums take too long to add up
    ],
)
def test_few_rows_take_columns_that_lie_along_the_sum_as_they_are(
    shape: tuple[int, int, int], packed: bool
) -> None:
    program = product(*shape, Machine(l2=1 << 20), turned=True)
    assert any(b.name.startswith("b_packed") for b in blocks_of(program.body)) == packed
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 9, (2, rows, k)).astype(np.float32) for rows in (m, n))
    multiply = mlc.jit(lambda a, b: a @ b.swapaxes(1, 2))  # of many matrices, each
    np.testing.assert_array_equal(multiply(a, b), a @ b.swapaxes(1, 2))


@pytest.mark.parametrize(
    ("shape", "is_asked_for"),
    [((8, 4096, 4096), True), ((8, 1024, 1024), False), ((48, 1024, 960), False)],
)
def test_a_processor_that_looks_ahead_streams_and_is_asked_for_what_main_memory_holds(
    shape: tuple[int, int, int], is_asked_for: bool
) -> None:
    """Copies would take longer for so many rows: none is made, but of the rows themselves."""
    program = product(*shape, Machine(looks_ahead=True, past_bytes=16 << 20))
    loops = [s for s in walk(program.body) if isinstance(s, For)]
    assert any("prefetch" in dict(loop.annotations) for loop in loops) == is_asked_for
    assert "b_packed" not in [block.name for block in blocks_of(program.body)]


def test_each_of_many_matrices_is_packed_where_its_lines_push_each_other_out() -> None:
    a, b = te.placeholder((8, 128, 64), name="a"), te.placeholder((8, 64, 128), name="b")
    r = te.reduce_axis(64)
    y = te.compute((8, 128, 128), lambda p, i, j: te.sum(a[p, i, r] * b[p, r, j], axis=r), name="y")
    done = default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], AVX2)
    assert "b_packed" in [block.name for block in blocks_of(done.program.body)]


@pytest.mark.parametrize(
    ("shape", "threads", "loops"),
    [
        ((64, 768, 3072), 1, [48]),  # panels
        ((64, 768, 3072), 2, [2, 24]),  # for each thread
        ((40, 512, 2048), 1, [32]),
        ((32, 512, 2048), 1, []),  # a stream of the columns is as fast
        ((512, 512, 2048), 1, []),  # a copy is soon made beside what is multiplied with it
        ((64, 3072, 768), 1, [3, 12]),  # runs of the reduction, and two panels in the cache
        ((64, 3072, 768), 2, [2, 3, 6]),
        ((64, 4096, 4096), 1, []),  # results of runs are too much for the second cache
        ((64, 768, 3000), 1, []),  # the last panel is not whole
    ],
)
def test_columns_of_few_rows_are_packed_while_those_before_are_multiplied(shape, threads, loops):
    machine = Machine(l1=48 << 10, threads=threads, looks_ahead=True)
    program = product(*shape, machine)
    around = steps.loops_around(program, "y")
    last = next((n for n, loop in enumerate(around, 1) if loop.annotations[:1] == STAGES), 0)
    assert [loop.extent for loop in around[:last]] == loops
