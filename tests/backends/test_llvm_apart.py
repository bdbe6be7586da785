"""Calls of C functions by a thread without Python."""

from __future__ import annotations

import ctypes

import pytest

from mlc.backends.llvm.apart import (
    ARGUMENTS,
    BLOCK,
    Calls,
    CCall,
    Cell,
    MemoryAhead,
    cell,
    in_a_row,
    is_possible,
)

pytestmark = pytest.mark.skipif(not is_possible(), reason="no code for this processor")

FUNCTION = ctypes.CFUNCTYPE(ctypes.c_uint64, *[ctypes.c_uint64] * ARGUMENTS)


def recorded() -> tuple[list[tuple[int, ...]], Cell]:
    """Where calls of a function are noted, which returns the sum of what it gets."""
    calls: list[tuple[int, ...]] = []

    def note(*given: int) -> int:
        calls.append(given)
        return sum(given)

    callback = FUNCTION(note)
    made = cell(ctypes.cast(callback, ctypes.c_void_p).value or 0)
    made.callback = callback  # type: ignore[attr-defined]
    return calls, made


def test_a_call_gets_ten_arguments_and_later_ones_what_it_returned() -> None:
    calls, function = recorded()
    first, second = cell(), cell()
    numbers = [cell(3**n) for n in range(ARGUMENTS)]
    Calls([[CCall(function, numbers, first), CCall(function, (first, first), second)]]).wait(0)
    total = sum(3**n for n in range(ARGUMENTS))
    assert calls == [tuple(3**n for n in range(ARGUMENTS)), (total, total, *[0] * 8)]
    assert (first.value, second.value) == (total, 2 * total)


def test_a_call_that_must_not_fail_ends_its_list_alone() -> None:
    calls, function = recorded()
    zero, one = cell(), cell(1)
    may = CCall(function, (zero,), cell(), must=False)
    must = CCall(function, (zero, zero), cell())
    after = CCall(function, (one,), cell())
    lists = Calls([[may, after, must, after, after], [after]])
    lists.wait(1)
    assert [call[0] for call in calls] == [0, 1, 0]
    lists = Calls([[may], [must, after], [after]])
    lists.wait(2)
    assert [call[0] for call in calls[3:]] == [0, 0]


def test_lists_follow_each_other() -> None:
    calls, function = recorded()
    lists = [[CCall(function, (cell(n + 1),), cell())] for n in range(5)]
    running = Calls(lists)
    running.wait(4)
    running.wait(4)
    assert [call[0] for call in calls] == [1, 2, 3, 4, 5]


def test_the_function_of_a_call_may_be_found_by_an_earlier_one() -> None:
    find = cell(ctypes.cast(ctypes.pythonapi["dlsym"], ctypes.c_void_p).value or 0)
    function, result = cell(), cell()
    Calls([[
        CCall(find, (cell(0), cell(b"labs")), function),
        CCall(function, (cell(2**64 - 5),), result),
    ]]).wait(0)  # fmt: skip
    assert result.value == 5


@pytest.mark.parametrize(
    ("blocks", "first", "size"),
    [
        ([], 0, 0),
        ([9 << 20], 9 << 20, BLOCK),
        ([1 << 30, 5 << 20, (5 << 20) + BLOCK + 16], 5 << 20, 2 * BLOCK + 16),
        ([9 << 20, (9 << 20) - BLOCK, 1 << 30], 1 << 30, BLOCK),
    ],
)
def test_blocks_that_lie_one_behind_another(blocks: list[int], first: int, size: int) -> None:
    assert in_a_row(blocks) == (first, first + size)


def test_memory_is_asked_for_and_keeps_what_is_in_it() -> None:
    memory = MemoryAhead()
    held = memory._blocks[-1]
    ctypes.memset(held, 7, BLOCK)
    Calls([[memory.asking]]).wait(0)
    assert ctypes.string_at(held, BLOCK) == b"\7" * BLOCK
    memory.give_back()
    memory.give_back()
    assert memory._blocks == []
