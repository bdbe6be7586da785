"""What random sequences have found around loops whose iterations run at once, and in what they are
checked with."""

from __future__ import annotations

import pytest

import mlc.testing
from mlc import script as T
from mlc.errors import NotProvenError, ScheduleError
from mlc.ir.program import Program
from mlc.schedules.legality import verify
from mlc.schedules.schedule import Schedule
from mlc.testing.checking import Subject, arrays_for
from mlc.testing.draw import is_sound


@T.program
def plus_one(A: T.Buffer((4,)), X: T.Buffer((4,))):
    for i in T.serial(4):
        with T.block("X"):
            vi = T.axis.spatial(4, i)
            X[vi] = A[vi] + 1.0


def test_vectorized_loops_get_no_loops_inside() -> None:
    s = Schedule(plus_one)
    (i,) = s.loops("X")
    copy = s.cache_read("X", "A", "local")
    s.compute_at(copy, i)
    s.vectorize(i)
    before = s.program
    with pytest.raises(ScheduleError, match="loop i is vectorized and would hold loop ax0") as e:
        s.cache_read("X", "A_local", "local")
    assert "take this step before vectorize" in str(e.value)
    assert s.program is before and len(s.trace) == 3
    s.undo()
    s.cache_read("X", "A_local", "local")
    mlc.testing.check_schedule(plus_one, s)


@T.program
def read_twice(A: T.Buffer((4,)), X: T.Buffer((4, 4)), Y: T.Buffer((4,))):
    for i, j in T.grid(4, 4):
        with T.block("X"):
            vi, vj = T.remap("SS", [i, j])
            X[vi, vj] = A[vj] + 1.0
    for k in T.serial(4):
        with T.block("Y"):
            vk = T.axis.spatial(4, k)
            Y[vk] = A[vk] + 2.0


@pytest.mark.unproven
@pytest.mark.parametrize("kind", ["parallel", "bind"])
def test_what_serial_runs_do_not_show_is_no_proof(kind: str) -> None:
    """The copy is read outside as well, so that all iterations of i would make the same one."""
    s = Schedule(read_twice)
    i, _ = s.loops("X")
    copy = s.cache_read("X", "A", "local")
    serial = s.copy()
    serial.compute_at(copy, i)
    if kind == "parallel":
        s.parallel(i)
    else:
        s.bind(i, "threadIdx.x")
    with pytest.raises(ScheduleError, match="iterations of loop i are not independent") as found:
        s.compute_at(copy, i)
    assert not isinstance(found.value, NotProvenError)
    assert verify(serial.program, found.value.refusal.witness)


def test_reindex_copies_back_what_was_written() -> None:
    s = Schedule(plus_one)
    s.cut_loop(s.loops("X")[0], 1)
    with pytest.raises(ScheduleError, match="not shown that block 'X_1' runs at all of its points"):
        s.reindex("X_1", "X")


@T.program
def gathered(I: T.Buffer((4,), "int64"), X: T.Buffer((4,))):
    t = T.alloc((4,), "float32")
    for i in T.serial(3):
        with T.block("t"):
            vi = T.axis.spatial(3, i)
            t[vi] = 1.0
    for i in T.serial(4):
        with T.block("X"):
            vi = T.axis.spatial(4, i)
            X[vi] = t[I[vi] % 4]


def test_programs_that_read_what_was_never_written_are_not_drawn() -> None:
    """For zeros, gathered reads t[0] alone; for others, the element that is not written."""
    assert isinstance(gathered, Program)
    assert not is_sound(gathered)
    assert is_sound(plus_one)


def test_inputs_lead_to_what_was_written() -> None:
    """Of the inputs that are tried, those are taken for which the result is not open."""
    telling = [s for s in range(40) if (arrays_for(gathered, s)[0] % 4 < 3).all()]
    assert telling[0] > 0
    assert (Subject(gathered, telling[0] - 1).arrays[0] % 4 < 3).all()
