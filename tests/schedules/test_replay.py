"""A trace on a program that was edited: what is kept, adapted and lost, and why."""

from __future__ import annotations

from mlc import te
from mlc.ir.program import For, Program, walk
from mlc.ir.structural import structural_key
from mlc.schedules import replay
from mlc.schedules.schedule import Schedule
from mlc.te.program import Nest, create_program

from .samples import assert_same_results, matmul, matmul_relu


def tiled() -> Schedule:
    s = Schedule(matmul_relu())
    i, j, k = s.loops("Y")
    j_0, j_1 = s.split(j, [None, 4])
    s.reorder(j_0, k, j_1)
    s.vectorize(j_1)
    s.parallel(i)
    s.unroll(s.loops("C")[1])
    return s


def statuses(replayed) -> list[str]:
    return [row.status for row in replayed.report.rows]


def test_on_the_same_program_all_is_kept() -> None:
    s = tiled()
    for form in (s, s.trace, s.to_json()):
        replayed = replay(form, matmul_relu())
        assert statuses(replayed) == ["kept"] * 5
        assert replayed.schedule.source() == s.source()
    assert replay([], matmul_relu()).report.rows == ()


def test_other_sizes_are_adapted_to() -> None:
    replayed = replay(tiled(), matmul_relu(6, 20, 4))
    assert statuses(replayed) == ["adapted", "kept", "kept", "kept", "adapted"]
    assert replayed.report.rows[0].reason == "j runs over 20, was 8; made 5, 4, was 2, 4"
    assert [n.extent for n in walk(replayed.program.body) if isinstance(n, For)][1] == 5
    assert_same_results(replayed.program, matmul_relu(6, 20, 4))


def test_a_fixed_factor_is_chosen_anew() -> None:
    s = Schedule(matmul())
    s.split(s.loops("C")[0], [3, 2])
    replayed = replay(s, matmul(m=10))
    (row,) = replayed.report.rows
    assert (row.step, row.status) == ("s.split(i, [5, 2])", "adapted")
    assert row.reason == "i runs over 10, was 6; was s.split(i, [3, 2]); made 5, 2, was 3, 2"
    assert_same_results(replayed.program, matmul(m=10))


def renamed(extra: bool = False) -> Program:
    a, b = te.placeholder((6, 4), name="A"), te.placeholder((4, 8), name="B")
    r = te.reduce_axis(4, "r")
    z = te.compute((6, 8), lambda m, n: te.sum(a[m, r] * b[r, n], axis=r), name="Z")
    w = te.compute((6, 8), lambda i, j: z[i, j] + 1.0, name="W")
    c = te.compute((6, 8), lambda i, j: te.max((w if extra else z)[i, j], 0.0), name="C")
    tensors = [z, w, c] if extra else [z, c]
    return create_program("other", [Nest((t,), t.op) for t in tensors], [a, b], [c])


def test_a_block_that_was_renamed_is_found_by_its_place() -> None:
    replayed = replay(tiled(), renamed())
    assert statuses(replayed) == ["adapted", "adapted", "kept", "adapted", "kept"]
    assert replayed.report.rows[0].reason == ("block 'Y' is called 'Z' now; loop j is called n now")
    assert_same_results(replayed.program, renamed())


def test_what_is_lost_says_why() -> None:
    replayed = replay(tiled(), renamed(extra=True))
    assert statuses(replayed) == ["lost", "lost", "lost", "lost", "adapted"]
    reasons = [row.reason for row in replayed.report.rows]
    assert reasons[0] == "there is no block 'Y' any more"
    assert reasons[1] == "it needs what step 1 made, and that is lost"
    assert reasons[4] == "block 'C' reads W, read Y"
    assert str(replayed).splitlines()[-1] == "0 kept, 1 adapted, 4 lost"
    assert str(replayed).splitlines()[4].split()[:3] == ["5", "s.unroll(j)", "adapted"]
    assert_same_results(replayed.program, renamed(extra=True))


def test_a_step_that_has_become_illegal_is_lost() -> None:
    s = Schedule(matmul())
    s.split(s.loops("C")[0], [None, 2])
    s.parallel(s.loops("C")[2])
    a = te.placeholder((6, 4, 8), name="A")
    r = te.reduce_axis(8, "j")
    c = te.compute((6, 4), lambda i, k: te.sum(a[i, k, r], axis=r), name="C")
    replayed = replay(s, create_program("sum", [Nest((c,), c.op)], [a], [c]))
    assert statuses(replayed) == ["adapted", "lost"]
    reason = replayed.report.rows[1].reason
    assert reason.startswith("parallel refused: iterations of loop j are not independent")


def product(a: str, b: str, c: str) -> Program:
    x, y = (te.placeholder((16, 16), "float32", name=name) for name in (a, b))
    k = te.reduce_axis((0, 16), "k")
    z = te.compute((16, 16), lambda i, j: te.sum(x[i, k] * y[k, j], axis=k), name=c)
    return create_program("f", [Nest((z,), z.op)], (x, y), (z,))


def test_names_of_everything_may_differ_where_the_program_is_the_same() -> None:
    """The names of buffers, of blocks, and of what steps make after them."""
    s = Schedule(product("A", "B", "C"))
    i, _, k = s.loops("C")
    copy = s.cache_read("C", "B", "local")
    s.compute_at(copy, i)
    s.vectorize(s.split(s.loops(copy)[-1], [None, 4])[1])
    s.decompose_reduction("C", k)
    again = Schedule.from_json(product("B", "A", "Y"), s.to_json())
    assert structural_key(again.program) == structural_key(s.program)
    assert again.blocks("A_local")
