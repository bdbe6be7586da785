"""What replay says of real edits: each step is kept, adapted or lost, and the reason is true."""

from __future__ import annotations

import mlc.testing
from mlc import script as T
from mlc.ir.program import Program
from mlc.schedules import replay
from mlc.schedules.replaying import Replayed
from mlc.schedules.schedule import Schedule


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


def taken() -> Schedule:
    """Steps on loops of the program, on one that a step made, and on one found afterwards."""
    s = Schedule(layer)
    i, j, k = s.loops("Y")
    j_0, j_1 = s.split(j, [None, 4])
    s.reorder(i, j_0, k, j_1)
    s.vectorize(j_1)
    s.cache_read("Y", "A", "local")
    s.unroll(s.loops("A_local")[1])
    s.parallel(s.loops("C")[0])
    return s


def edited(source: str, *changes: tuple[str, str]) -> Program:
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    scope = {"T": T, "np": __import__("numpy")}
    exec(compile(source, "<edited>", "exec"), scope)
    program = scope["layer"]
    assert isinstance(program, Program)
    return program


SOURCE = """
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
"""


def after(*changes: tuple[str, str]) -> Replayed:
    """The steps replayed from JSON on the program with those changes; what they made is right."""
    program = edited(SOURCE, *changes)
    replayed = replay(taken().to_json(), program)
    mlc.testing.check_schedule(program, replayed.schedule, ("interpret", "symbols", "replay"))
    again = replay(taken(), program)
    assert str(again) == str(replayed)
    return replayed


def rows(replayed: Replayed) -> list[tuple[str, str]]:
    return [(row.status, row.reason) for row in replayed.report.rows]


def test_no_edit() -> None:
    assert rows(after()) == [("kept", "")] * 6


def test_another_body_alone_is_kept() -> None:
    assert rows(after(("T.max(Y[vi, vj], 0.0)", "Y[vi, vj] * 2.0 + 1.0"))) == [("kept", "")] * 6


def test_a_loop_is_renamed() -> None:
    replayed = after(("for i, j, k in", "for row, j, k in"), ("[i, j, k]", "[row, j, k]"))
    called = ("adapted", "loop i is called row now")
    kept = ("kept", "")
    assert rows(replayed) == [kept, called, kept, kept, kept, kept]


def test_two_loops_are_swapped() -> None:
    replayed = after(("for i, j, k in T.grid(6, 8, 4)", "for j, i, k in T.grid(8, 6, 4)"))
    assert rows(replayed)[0] == ("adapted", "loop j of 'Y' is number 0 now, was 1")
    assert rows(replayed)[1] == ("adapted", "loop i of 'Y' is number 1 now, was 0")
    assert [status for status, _ in rows(replayed)] == ["adapted", "adapted", *["kept"] * 4]
    assert replayed.report.rows[0].step == "s.split(j, [None, 4])"
    assert [v.name for v in replayed.schedule.loops("Y")][:2] == ["j_0", "i"] or [
        v.name for v in replayed.schedule.loops("Y")
    ][:2] == ["i", "j_0"]


def test_a_loop_is_added() -> None:
    replayed = after(
        ("A: T.Buffer((6, 4))", "A: T.Buffer((3, 6, 4))"),
        ("C: T.Buffer((6, 8))", "C: T.Buffer((3, 6, 8))"),
        ("T.alloc((6, 8))", "T.alloc((3, 6, 8))"),
        ("for i, j, k in T.grid(6, 8, 4)", "for n, i, j, k in T.grid(3, 6, 8, 4)"),
        ("for i, j in T.grid(6, 8)", "for n, i, j in T.grid(3, 6, 8)"),
        ('vi, vj, vk = T.remap("SSR", [i', 'vn, vi, vj, vk = T.remap("SSSR", [n, i'),
        ('vi, vj = T.remap("SS", [i', 'vn, vi, vj = T.remap("SSS", [n, i'),
        ("Y[vi", "Y[vn, vi"),
        ("A[vi", "A[vn, vi"),
        ("C[vi", "C[vn, vi"),
    )
    more = "block 'Y' has axes SSSR, had SSR; block 'Y' has 4 loops, had 3"
    assert rows(replayed)[:2] == [("adapted", more), ("adapted", more)]
    assert rows(replayed)[2] == ("kept", "")
    assert rows(replayed)[3] == ("adapted", "block 'Y' has axes SSSR, had SSR")
    # the copy has loops ax0, ax1, ax2 where it had ax0, ax1
    assert rows(replayed)[4] == (
        "adapted",
        "block 'A_local' has 3 loops, had 2; ax1 runs over 6, was 4",
    )
    assert rows(replayed)[5] == (
        "adapted",
        "block 'C' has axes SSS, had SS; block 'C' has 3 loops, had 2",
    )


def test_an_extent_is_changed() -> None:
    replayed = after(
        ("B: T.Buffer((4, 8))", "B: T.Buffer((4, 12))"),
        ("C: T.Buffer((6, 8))", "C: T.Buffer((6, 12))"),
        ("T.alloc((6, 8))", "T.alloc((6, 12))"),
        ("T.grid(6, 8, 4)", "T.grid(6, 12, 4)"),
        ("T.grid(6, 8)", "T.grid(6, 12)"),
    )
    assert rows(replayed)[0] == ("adapted", "j runs over 12, was 8; made 3, 4, was 2, 4")
    assert rows(replayed)[1:] == [("kept", "")] * 5


BEFORE = """    S = T.alloc((6, 4))
    for i, k in T.grid(6, 4):
        with T.block("S"):
            vi, vk = T.remap("SS", [i, k])
            S[vi, vk] = A[vi, vk] + 1.0
    for i, j, k in T"""


def test_a_block_is_put_before() -> None:
    """Which takes its input: the step that names A finds nothing to copy for Y any more."""
    replayed = after(("    for i, j, k in T", BEFORE), ("A[vi, vk] * B", "S[vi, vk] * B"))
    reads = "block 'Y' reads S, B, read A, B"
    assert rows(replayed)[:2] == [("adapted", reads)] * 2
    assert [status for status, _ in rows(replayed)] == [
        "adapted", "adapted", "kept", "lost", "lost", "kept",
    ]  # fmt: skip
    assert rows(replayed)[4][1] == "it needs what step 4 made, and that is lost"


def test_a_name_means_another_block() -> None:
    """Y writes S now, and the product is called P: no step on Y is said to be kept."""
    replayed = after(
        ('T.block("Y")', 'T.block("P")'),
        ("    for i, j, k in T", BEFORE.replace('"S"', '"Y"')),
    )
    assert all(status != "kept" for status, _ in rows(replayed)[:4])
    assert rows(replayed)[0][0] == "lost"  # no loop j around it
    assert rows(replayed)[3] == (
        "adapted",
        "block 'Y' has axes SS, had SSR and reads A, read A, B and writes S, wrote Y",
    )
    assert rows(replayed)[5] == ("kept", "")


def test_a_block_is_removed() -> None:
    replayed = after(
        ("    Y = T.alloc((6, 8))\n", ""),
        ("Y[", "C["),
        ("""    for i, j in T.grid(6, 8):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = T.max(C[vi, vj], 0.0)
""", ""),
    )  # fmt: skip
    assert [status for status, _ in rows(replayed)][5] == "lost"
    assert rows(replayed)[5][1] == "there is no block 'C' any more"
    assert rows(replayed)[0] == ("adapted", "block 'Y' writes C, wrote Y")
    assert rows(replayed)[2] == ("kept", "")
