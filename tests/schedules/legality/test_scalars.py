"""Buffers without axes: their loads have no indices, and are accesses all the same."""

from __future__ import annotations

import pytest

import mlc
from mlc import script as T
from mlc.errors import ScheduleError
from mlc.schedules.legality.accesses import accesses_of


@T.program
def carried(A: T.Buffer((8,)), C: T.Buffer((8,))):
    """Each element by way of a scalar."""
    c = T.alloc((), "float32")
    for i in T.serial(8):
        c[()] = A[i]
        C[i] = c[()] + 1.0


def test_a_scalar_that_is_read_is_an_access() -> None:
    found = [(row.buffer.name, row.kind) for row in accesses_of(carried).rows]
    assert found == [("A", "read"), ("c", "write"), ("c", "read"), ("C", "write")]


def test_a_loop_is_not_cut_between_write_and_read_of_a_scalar() -> None:
    s = mlc.Schedule(carried)
    with pytest.raises(ScheduleError, match=r"i=1 writes c\[\(\)\], i=0 reads it"):
        s.fission(s.loop("i"), 1)
