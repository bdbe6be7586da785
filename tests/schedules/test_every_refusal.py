"""Every step has a call that must be refused, with the sentence that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlc import script as T
from mlc.errors import ScheduleError
from mlc.schedules.lookup import step_names
from mlc.schedules.schedule import Schedule
from mlc.testing.intrinsics import NAMES

assert "testing_double4" in NAMES


@T.program(outputs=1)
def layer(A: T.Buffer((6, 4)), B: T.Buffer((4, 8)), C: T.Buffer((6, 8))):
    Y = T.alloc((6, 8))
    for i, j, k in T.grid(6, 8, 4):
        with T.block("Y"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                Y[vi, vj] = 0.0
            Y[vi, vj] += A[vi, vk] * B[vk, vj]
    for i, j in T.grid(6, 8):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = T.max(Y[vi, vj], 0.0)


@T.program
def running(A: T.Buffer((8,)), B: T.Buffer((8,))):
    """Each iteration needs the one before."""
    for i in T.serial(8):
        with T.block("B"):
            vi = T.axis.spatial(8, i)
            B[vi] = A[vi] + T.select(vi > 0, B[vi - 1], 0.0)


@T.program
def chain(A: T.Buffer((8,)), B: T.Buffer((8,)), C: T.Buffer((8,))):
    """C reads B backwards."""
    for i in T.serial(8):
        with T.block("B"):
            vi = T.axis.spatial(8, i)
            B[vi] = A[vi]
    for i in T.serial(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            C[vi] = B[7 - vi]


@T.program
def stale(A: T.Buffer((8,)), C: T.Buffer((8,)), B: T.Buffer((8,)), D: T.Buffer((8,))):
    """C and D read B, which is written in between."""
    for i in T.serial(8):
        with T.block("C"):
            vi = T.axis.spatial(8, i)
            C[vi] = B[vi]
    for i in T.serial(8):
        with T.block("B"):
            vi = T.axis.spatial(8, i)
            B[vi] = A[vi]
    for i in T.serial(8):
        with T.block("D"):
            vi = T.axis.spatial(8, i)
            D[vi] = B[vi]


Take = Callable[[Schedule], Any]


def vectorized(s: Schedule) -> Any:
    j = s.loops("C")[1]
    s.vectorize(j)
    return j


REFUSED: dict[str, tuple[Any, Take, str]] = {
    "add_unit_loop": (
        layer,
        lambda s: (vectorized(s), s.add_unit_loop("C")),
        "add_unit_loop refused: loop j is vectorized and would hold another loop; "
        "add_unit_loop before vectorize",
    ),
    "annotate": (
        layer,
        lambda s: s.annotate("C", "pragma", object()),
        "annotate refused: a hint is a number, a string, None or a tuple of those, got object",
    ),
    "bind": (
        running,
        lambda s: s.bind(s.loops("B")[0], "threadIdx.x"),
        "bind refused: iterations of loop i are not independent: i=0 of block 'B' "
        "writes B[0], i=1 of block 'B' reads it; keep the order, or write to a buffer "
        "of its own instead of B",
    ),
    "blockize": (
        layer,
        lambda s: (s.split(s.loops("C")[0], [None, 4]), s.blockize(s.loops("C")[1])),
        "blockize refused: the condition i_0 * 4 + i_1 < 6 of block 'C' cuts through "
        "the new block: it holds for some values of i_1 only; split by a factor that "
        "divides the extent, or pad the operands first",
    ),
    "cache_read": (
        stale,
        lambda s: s.cache_read("C", "B", "local", consumers=["D"]),
        "cache_read refused: block 'B' writes B after the copy is made and before "
        "block 'D' reads it: i=0 of block 'B' writes B[0], i=0 of block 'D' reads it; "
        "name in consumers=[...] only blocks that read the buffer as it is before this "
        "write",
    ),
    "cache_write": (
        running,
        lambda s: s.cache_write("B", "A", "local"),
        "block 'B' writes B, not A",
    ),
    "compute_at": (
        chain,
        lambda s: s.compute_at("C", s.loops("B")[0]),
        "compute_at refused: block 'C' does not come before loop i; reverse_compute_at "
        "moves a block under a loop that comes before it",
    ),
    "compute_inline": (
        chain,
        lambda s: s.compute_inline("C"),
        "compute_inline refused: C is a parameter of the program: block 'C' has to store it",
    ),
    "cut_loop": (
        running,
        lambda s: s.cut_loop(s.loops("B")[0], 8),
        "cut_loop refused: loop i is cut at rising points between 1 and 7, got [8]",
    ),
    "decompose_padding": (
        chain,
        lambda s: s.decompose_padding("B", s.loops("B")[0]),
        "decompose_padding refused: block 'B' is not of the form B[i] = select(inside, "
        "value, constant)",
    ),
    "decompose_reduction": (
        layer,
        lambda s: (s.reorder(*reversed(s.loops("Y"))), s.decompose_reduction("Y", s.loops("Y")[1])),
        "decompose_reduction refused: the init of block 'Y' must stand outside all its "
        "reduce loops, but k is one and stands around it: k=0, j=0, i=0 of block 'Y' "
        "writes Y[0, 0], k=1, j=0, i=0 of block 'Y' combines into it; decompose at k "
        "or outside it, or reorder the spatial loops inside it",
    ),
    "double_buffer": (
        chain,
        lambda s: s.double_buffer("B"),
        "double_buffer refused: B is a parameter, which exists once; cache_read or "
        "cache_write makes a local copy",
    ),
    "fission": (
        chain,
        lambda s: s.fission(s.loops("B")[0], 1),
        "fission refused: loop i holds one statement; there is nothing to part",
    ),
    "fuse": (
        layer,
        lambda s: s.fuse(s.loops("Y")[0], s.loops("Y")[2]),
        "fuse refused: loop k is not the only statement inside i; fuse what stands "
        "between them, too, s.fuse(i, j, k), or use s.reorder first",
    ),
    "loop_partition": (
        running,
        lambda s: s.loop_partition(s.loops("B")[0], [4, 2]),
        "loop_partition refused: loop i is cut at rising points between 1 and 7, got [4, 2]",
    ),
    "merge": (
        chain,
        lambda s: s.merge(s.loops("B")[0], s.loops("C")[0]),
        "merge refused: loops i and i cannot be merged: an iteration of the second "
        "needs a later one of the first: i=4 of block 'B' writes B[4], i=3 of block "
        "'C' reads it; keep the order, or write to a buffer of its own instead of B",
    ),
    "on_grid": (
        layer,
        lambda s: s.on_grid(threads=64),
        "on_grid refused: no operator has written 'layer' for grids of threads; bind its loops "
        "with s.bind",
    ),
    "pad_einsum": (
        chain,
        lambda s: s.pad_einsum("C", [4]),
        "pad_einsum refused: block 'C' is no einsum: its body is not one accumulation "
        "into one buffer",
    ),
    "parallel": (
        layer,
        lambda s: s.parallel(s.loops("Y")[2]),
        "parallel refused: iterations of loop k are not independent: k=0 and k=1 both "
        "combine into Y[0, 0]; use s.rfactor(k), or take a loop that feeds spatial "
        "axes only",
    ),
    "pipeline": (
        running,
        lambda s: s.pipeline(s.loops("B")[0], stages=[0, 1]),
        "pipeline refused: loop i holds one statement; there is nothing to overlap",
    ),
    "prefetch": (
        chain,
        lambda s: s.prefetch("C", "A", s.loops("C")[0]),
        "prefetch refused: block 'C' does not read 'A'; it reads B",
    ),
    "reindex": (
        running,
        lambda s: s.reindex("B", "B"),
        "reindex refused: block 'B' touches B[vi - 1] and B[vi]; wanted is one place",
    ),
    "reorder": (
        layer,
        lambda s: s.reorder(s.loops("Y")[0], s.loops("C")[0]),
        "reorder refused: loops i, i do not lie in one chain of perfectly nested loops",
    ),
    "reverse_compute_at": (
        layer,
        lambda s: s.reverse_compute_at("C", s.loops("Y")[2]),
        "reverse_compute_at refused: block 'C' would read Y inside k, over which block "
        "'Y' reduces: at k=0 Y[0, 0] is not complete: k=1 combines into it again; move "
        "it to a loop outside k, or reorder k further in",
    ),
    "reverse_compute_inline": (
        layer,
        lambda s: s.reverse_compute_inline("C"),
        "reverse_compute_inline refused: block 'Y' reduces over k: folded into it, "
        "block 'C' would be applied to parts of the value: k=0 and k=1 both combine "
        "into Y[0, 0]; use reverse_compute_at('C', a loop outside k)",
    ),
    "rfactor": (
        layer,
        lambda s: s.rfactor(s.loops("Y")[0]),
        "rfactor refused: loop i feeds no reduce axis of block 'Y'; use s.rfactor(k)",
    ),
    "sample_categorical": (
        layer,
        lambda s: s.sample_categorical([]),
        "there are no candidates to choose from",
    ),
    "sample_compute_location": (
        chain,
        lambda s: s.sample_compute_location("B", decision=0),
        "sample_compute_location refused: block 'B' stands under loop i already; the loop i around "
        "block 'C' is another one, take it from s.loops('C')",
    ),
    "sample_perfect_tile": (
        layer,
        lambda s: s.sample_perfect_tile(s.loops("Y")[0], 2, decision=[4, 2]),
        "sample_perfect_tile refused: the decision must be 2 factors of 6, the extent "
        "of i, got [4, 2]",
    ),
    "set_scope": (
        layer,
        lambda s: s.set_scope("C", "local"),
        "set_scope refused: C is a parameter of 'layer', and who calls it decides in "
        "which memory it is; use s.cache_read or s.cache_write first, and take the "
        "step on the cache",
    ),
    "split": (
        layer,
        lambda s: s.split(s.loops("Y")[0], [2, 2]),
        "split refused: factors (2, 2) cover 4 of 6 iterations of i; iteration 4 would "
        "be lost: use None for one factor",
    ),
    "storage_align": (
        layer,
        lambda s: s.storage_align("C", "C", 0, 4, 1),
        "storage_align refused: C is a parameter of 'layer', and who calls it decides "
        "how it lies in memory; use s.cache_read or s.cache_write first, and take the "
        "step on the cache",
    ),
    "tensorize": (
        layer,
        lambda s: s.tensorize("C", "testing_double4"),
        "tensorize refused: block 'C' does not compute what testing_double4 means: "
        "testing_double4 runs over loops (i: 4), the block over (); tensorize a loop "
        "around 'C', or blockize it first",
    ),
    "transform_block_layout": (
        layer,
        lambda s: s.transform_block_layout("C", lambda i, j: (i + j,)),
        "transform_block_layout refused: the index map is not injective: the points "
        "(0, 1) and (1, 0) of block 'C' would be one; keep what tells them apart as an "
        "axis of its own",
    ),
    "transform_layout": (
        layer,
        lambda s: s.transform_layout("Y", "Y", lambda i, j: (i + j,)),
        "transform_layout refused: the index map is not injective: Y[0, 1] and Y[1, 0] "
        "would be one element; keep what tells them apart as an index of its own",
    ),
    "unannotate": (
        layer,
        lambda s: s.unannotate("C", "hint"),
        "unannotate refused: C has no hint 'hint'; it has none",
    ),
    "unroll": (
        layer,
        lambda s: (vectorized(s), s.unroll(s.loops("C")[1])),
        "unroll refused: loop j is vectorized already",
    ),
    "vectorize": (
        running,
        lambda s: s.vectorize(s.loops("B")[0]),
        "vectorize refused: iterations of loop i are not independent: i=0 of block 'B' "
        "writes B[0], i=1 of block 'B' reads it; keep the order, or write to a buffer "
        "of its own instead of B",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_must_be_refused(name: str) -> None:
    program, take, text = REFUSED[name]
    s = Schedule(program)
    with pytest.raises(ScheduleError) as caught:
        take(s)
    assert caught.value.message.partition("\n")[0] == text
    assert all(taken.step.name != name for taken in s.trace)


def test_every_step_refuses_something() -> None:
    assert sorted(REFUSED) == list(step_names())
