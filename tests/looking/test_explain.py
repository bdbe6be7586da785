"""Counts against counting by hand, the model's bounds, and what is advised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.errors import ArgumentError
from mlc.ir.program import Program
from mlc.looking.cost import cost, parts_of
from mlc.looking.explain import explain
from mlc.looking.machine import Facts
from mlc.looking.nests import nest_of
from mlc.looking.steps import explain_steps
from mlc.schedules.schedule import Schedule

from .programs import FACTS, added, gathered, product, row_sums, transposed
from .walks import mm_relu, walked

MIB = 1 << 20


def text_of(program: Program | Schedule) -> str:
    return str(explain(getattr(program, "program", program), facts=FACTS))


def advised(program: Program | Schedule) -> str:
    return "\n".join(line for line in text_of(program).splitlines() if line.startswith("  next"))


def test_the_walk_through_mm_relu(golden: Callable[[str, str], None]) -> None:
    s = walked()
    texts = [text_of(s.original), text_of(s), str(explain_steps(s, FACTS))]
    golden("explain_mm_relu", "\n\n".join(texts))


@pytest.mark.parametrize(
    ("program", "flops", "size"),
    [
        (added, MIB, 12 * MIB),
        (transposed, 0, 8 * MIB),
        (row_sums, 1024 * 1000, 1024 * 1000 * 4 + 4096),
        (product, 2 * 300**3, 3 * 300 * 300 * 4),
        (mm_relu, 2 * 128**3 + 128**2, 4 * 128 * 128 * 4),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_counts(program: Program, flops: int, size: int) -> None:
    found = cost(program, FACTS)
    assert found.flops == flops
    assert found.bytes == size
    assert found.intensity == pytest.approx(flops / size)


def test_a_schedule_does_not_change_what_is_computed() -> None:
    for taken in walked().trace:
        assert cost(taken.after, FACTS).flops == 2 * 128**3 + 128**2


def test_streams_move_once_and_what_is_written_twice() -> None:
    moved = dict(cost(added, FACTS).moved)
    assert moved == {"L1": 16 * MIB, "L2": 16 * MIB, "L3": 16 * MIB}
    roomy = Facts(l3=64 * MIB)
    assert dict(cost(added, roomy).moved)["L3"] == 0


def test_a_product_reads_what_does_not_stay_again() -> None:
    (part,) = parts_of(product, FACTS)
    a, b, c = product.params
    into = dict(part.moved)
    # A column of B is 300 lines, which L1 keeps for the next columns, but not all of B: it comes
    # in again for each i. L2 keeps what one iteration of i touches, and so everything comes once.
    assert into["L1"] == {a: 300 * 1216, b: 300 * 300 * 1200, c: 300 * 2 * 1216}
    assert into["L2"] == {a: 300 * 1200, b: 300 * 1200, c: 2 * 300 * 1200}
    assert into["L3"] == {}
    # L1 too small for a column: a line for each element that is read.
    small = Facts(l1=4 << 10, l2=16 << 10, l3=64 << 10, from_l2=1.0)
    (part,) = parts_of(product, small)
    assert dict(part.moved)["L1"][b] == 300**3 * 64
    assert (
        "one iteration of j touches 20 KiB, more than L1, so B comes in about 4800 times: "
        "s.split(k, [None, 16])"
    ) in str(explain(product, facts=small))
    s = Schedule(product)
    _, j, k = s.loops("C")
    k_0, _ = s.split(k, [None, 16])
    s.reorder(k_0, j)
    assert dict(cost(s.program, small).moved)["L1"] < dict(part.cost.moved)["L1"] / 8


def test_footprints_of_lines_and_elements() -> None:
    inner = list(nest_of(transposed).nests())[1]
    a, b = transposed.params
    assert inner.one_iteration[a].bytes == 1024 * 4
    assert inner.one_iteration[a].lines == 1024 * 64
    assert inner.one_iteration[b].lines == 1024 * 4
    assert inner.one_iteration[a].is_alone
    assert not inner.one_iteration[b].is_alone
    # Rows are 64 lines apart: of the 64 sets of L1, one can hold them.
    assert inner.one_iteration[a].crowded(64) == 64 * 64 * 1024
    assert "L3*" in text_of(transposed)


def test_bounds() -> None:
    assert cost(row_sums, FACTS).bound == "waiting"
    assert cost(added, FACTS).bound == "bytes from memory"
    assert cost(transposed, FACTS).bound == "bytes from L3"
    s = Schedule(product)
    i, j, k = s.loops("C")
    i_0, i_1 = s.split(i, [None, 6])
    j_0, j_1, j_2 = s.split(j, [None, 2, 16])
    s.reorder(i_0, j_0, k, i_1, j_1, j_2)
    for loop in (i_1, j_1):
        s.unroll(loop)
    s.vectorize(j_2)
    found = cost(s.program, Facts(l3=64 * MIB))
    assert found.bound == "arithmetic"
    # The last columns are computed with those that are not there: 320 in all.
    assert found.seconds == pytest.approx(300 * 300 * 320 / 16 / 2 / 3e9, rel=0.02)


def test_lanes() -> None:
    assert "along j: A stride 1024, B contiguous" in text_of(transposed)
    s = Schedule(gathered)
    s.vectorize(s.loop("i"))
    text = text_of(s)
    assert "A gathered" in text
    assert "I contiguous" in text
    assert "; 8 of 8 lanes" in text
    assert "along i, A is gathered: s.transform_layout('A', ...)" in text


def test_advice_that_can_be_taken() -> None:
    assert "j_0, j_1 = s.split(j, [None, 16]), s.vectorize(j_1)." in advised(added)
    assert "s.parallel(i" in advised(added)
    assert "j_0, j_1 = s.split(j, [None, 16]), s.reorder(k, j_1), s.vectorize(j_1)." in advised(
        product
    )
    before = cost(product, FACTS).seconds
    s = Schedule(product)
    _, j, k = s.loops("C")
    _, j_1 = s.split(j, [None, 16])
    s.reorder(k, j_1)
    s.vectorize(j_1)
    assert cost(s.program, FACTS).seconds < before / 4
    assert "s.rfactor(j_1)" in advised(row_sums)


def test_sums_that_wait() -> None:
    assert "each step of j waits 4 cycles for the sum in B of the step before" in advised(row_sums)
    s = Schedule(row_sums)
    i, j = s.loops("B")
    i_0, i_1 = s.split(i, [None, 8])
    s.reorder(i_0, j, i_1)
    s.unroll(i_1)
    assert dict(cost(s.program, FACTS).times)["waiting"] == pytest.approx(
        dict(cost(row_sums, FACTS).times)["waiting"] / 8
    )


def test_parallel_loops_and_recomputed_blocks() -> None:
    s = Schedule(added)
    s.parallel(s.loop("i"), 100)
    text = text_of(s)
    assert "tasks    i: 11 of 100 iterations for 2 threads, about" in text
    assert "s.parallel" not in advised(s)
    s = Schedule(mm_relu)
    y = s.loops("C")
    s.annotate("Y", "recompute", 2.0)
    text = text_of(s)
    assert "again    block Y runs 2 points for each it ran before" in text
    assert len(y) == 2


def test_of_compiled_functions() -> None:
    @mlc.jit
    def layer(x, w, b):
        return np.maximum(x @ w + b, 0)

    x = np.ones((48, 64), np.float32)  # rows that tiles of 4, 6, 8, 12 and 16 fill
    w, b = np.ones((64, 48), np.float32), np.ones(48, np.float32)
    lowered = layer.lower(x, w, b)
    found = lowered.cost()
    assert found.flops == 2 * 48 * 64 * 48 + 2 * 48 * 48
    assert str(lowered.explain()).startswith("layer: ")
    assert str(found) in str(lowered.explain())
    assert lowered.explain()._repr_html_().startswith("<pre>layer: ")

    built = mlc.build(walked().program)
    assert built.lower().cost().flops == 2 * 128**3 + 128**2

    p = te.placeholder((16,), name="p")
    q = te.compute((16,), lambda i: p[i] + 1.0, name="q")
    assert mlc.build([p, q]).lower().cost().flops == 16


def test_nothing_to_explain() -> None:
    @mlc.jit
    def same(x):
        return x

    with pytest.raises(ArgumentError, match="same computes nothing: there is nothing to explain"):
        same.lower(np.ones(3)).explain()
    with pytest.raises(ArgumentError, match="same computes nothing: there is nothing to draw"):
        same.lower(np.ones(3)).draw()


def test_a_lowered_function_draws_its_kernels() -> None:
    @mlc.jit
    def centred(x):
        return x - x.mean()

    lowered = centred.lower(np.ones((8, 4)))
    assert lowered.draw().svg.startswith("<svg")
    with pytest.raises(ArgumentError, match=r"centred has the kernels 0 to \d, got kernel=9"):
        lowered.draw(9)


class Scaled:
    factor = 2.0

    @mlc.jit
    def scaled(self, x):
        return x * self.factor


def test_the_object_of_a_method_is_an_argument_of_lower() -> None:
    given = Scaled()
    assert "multiply" in Scaled.scaled.lower(given, np.ones(3)).graph
    with pytest.raises(TypeError, match=r"Scaled\.scaled\.lower\(the_object, \.\.\.\)"):
        given.scaled.lower(np.ones(3))


def test_methods_of_a_schedule() -> None:
    s = walked()
    assert s.explain().cost.flops == 2 * 128**3 + 128**2
    steps = s.explain(steps=True).steps
    assert [step.title for step in steps[:3]] == [
        "before the first step",
        "j_0, j_1 = s.split(j, [None, 4])",
        "s.reorder(j_0, k, j_1)",
    ]
    assert steps[-1].cost.seconds < steps[0].cost.seconds


def test_steps_without_proof_are_named() -> None:
    @T.program
    def total(A: T.Buffer((64,)), B: T.Buffer((1,))) -> None:
        for i in T.serial(64):
            with T.block("B"):
                v = T.axis.reduce(64, i)
                with T.init():
                    B[0] = 0.0
                B[0] += A[v]

    s = mlc.Schedule(total)
    assert "total: 64 flop on 260 B" in str(s.explain())
    assert "unsafe" not in str(s.explain())
    s.parallel(s.loop("i"), unsafe=True)
    assert "\n  unsafe   s.parallel(i): taken without proof\n" in str(s.explain())


def test_fused_loops_touch_as_many_elements_as_they_have_iterations() -> None:
    s = Schedule(cube)
    fused = s.fuse(*s.loops("B"))
    outer, inner = s.split(fused, [None, 16])
    text = str(s.explain(facts=FACTS))
    assert f"{outer.name} 30 " in text and "A 64 B + B 64 B = 128 B" in text
    assert f"along {inner.name}: A contiguous, B contiguous" in text


def test_memory_that_is_made_small_has_the_strides_of_what_runs() -> None:
    s = Schedule(sums_of_rows)
    _, k = s.loops("B")
    _, lanes = s.split(k, [None, 16])
    parts = s.rfactor(lanes)
    assert "B_rf stride 24" in str(s.explain(facts=FACTS))
    s.compute_at(parts, s.loops("B")[0])
    text = str(s.explain(facts=FACTS))
    assert "B_rf stride" not in text and "B_rf contiguous" in text


def test_statements_of_no_block_are_one_row_and_get_no_steps() -> None:
    @mlc.jit
    def folded(x):  # type: ignore[no-untyped-def]
        total = 0.0
        for k in range(1, x.shape[0]):
            total = total * 0.5 + x[k] * x[k - 1]
        return total

    text = str(folded.lower(np.ones(40)).explain())
    last = text[text.rindex("  loop ") :]
    assert "statements: 3 flop " in last and "x contiguous" in last
    assert "next" not in last and "same element" not in last


@T.program
def cube(A: T.Buffer((8, 10, 6)), B: T.Buffer((8, 10, 6))):
    for i, j, k in T.grid(8, 10, 6):
        with T.block("B"):
            vi, vj, vk = T.remap("SSS", [i, j, k])
            B[vi, vj, vk] = A[vi, vj, vk] * 2


@T.program
def sums_of_rows(A: T.Buffer((24, 64)), B: T.Buffer((24,))):
    for i, k in T.grid(24, 64):
        with T.block("B"):
            vi, vk = T.remap("SR", [i, k])
            with T.init():
                B[vi] = 0.0
            B[vi] += A[vi, vk]
