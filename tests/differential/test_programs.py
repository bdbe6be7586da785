"""A sample of what ``python -m tests.differential`` does, and that it would find what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlc.testing.comparing import differs

from . import compare, program
from .compare import check, check_data, check_sizes, shrunk
from .program import NumPyProgram, draw_program


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_random_programs_do_what_numpy_does(first: int) -> None:
    kinds = Counter[str]()
    for seed in range(first, first + 25):
        outcome = check(draw_program(seed))
        assert outcome.kind != "different", f"seed {seed}: {outcome.text}"
        kinds[outcome.kind] += 1
    assert kinds["same"] >= 15, kinds


def test_what_differs_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    jit = compare.mlc.jit

    def wrong(function: Any, target: str) -> Any:
        made = jit(function)

        def call(*arguments: Any) -> Any:
            results = list(made(*arguments))
            return (*results[:-1], results[-1] + np.float32(1e-4))

        return call

    monkeypatch.setattr(compare.mlc, "jit", wrong)
    statements = ("t0 = a0 + 1", "t1 = a0 * 2", "t2 = t1.sum()")
    program = NumPyProgram(statements, (np.ones(3, np.float32),), ("t0", "t1", "t2"))
    assert check(program).text == (
        "the result[2]: np.float32(6.0001) instead of np.float32(6.0) at ()"
    )
    assert shrunk(program).statements == ()  # whatever is returned is wrong


def test_rounding_is_no_difference_but_an_integer_is() -> None:
    x = np.ones(3, np.float32)
    near = [x * np.float32(1 + 1e-7)]
    assert differs(x, x * np.float32(1 + 5e-7), near) == ""
    assert "instead of" in str(differs(x, x * np.float32(1 + 1e-4), near))
    n = x.astype(int)
    assert differs(n, n + 1, [n]) == "np.int64(2) instead of np.int64(1) at (0,)"
    assert differs(n, n + 1, [n + 2]) == ""
    assert differs(x, x[:1], [x]) == "float32[1] instead of float32[3]"
    assert differs(x, x, [x[:1]]) is None


def test_arguments_are_compared_after_the_call() -> None:
    base = np.arange(12.0).reshape(3, 4)
    program = NumPyProgram(("a0[1:] += a0[:-1]",), (base[:, ::2],), ("a0",))
    assert check(program).kind == "same"
    assert check(replace(program, statements=("a0[a0 > 4] = 0",))).kind == "same"


def test_numbers_between_whole_ones_are_rounded() -> None:
    x = np.array([[-6, 8, 4], [2, 9, 9]], np.int32)
    assert (
        check(NumPyProgram(("t0 = np.quantile(a0, 0.3, axis=-1)",), (x,), ("t0",))).kind == "same"
    )


def test_sizes_may_change() -> None:
    x = np.arange(12.0).reshape(4, 3)
    program = NumPyProgram(("t0 = a0.sum(axis=0)", "t1 = a0[::-1] * len(a0)"), (x,), ("t0", "t1"))
    assert check_sizes(program).kind == "same"


def test_elements_may_change() -> None:
    """Of which others are kept, as many or not."""
    x = np.arange(12.0).reshape(4, 3)
    statements = "t0 = a0[a0 > 6]", "t1 = t0 * 2 + np.sort(t0)", "t2 = np.nonzero(a0 % 2)[0]"
    assert check_data(NumPyProgram(statements, (x,), ("t1", "t2"))).kind == "same"


@pytest.mark.parametrize(
    ("statement", "is_one"),
    [
        ("t = a0 if a0[0] > 0 else a0 * 2", True),
        ("t = a0 if a0[0] > 0 else a0 > 1", False),
        ("if a0[0] > 0:\n    t = a0[1:]\nelse:\n    t = a0", False),
        ("for i in range(2):\n    t = a0[i] if i > 0 else 1", True),
    ],
)
def test_choices_give_one_type(statement: str, is_one: bool) -> None:
    tried = lambda statements: program.after(statements, [np.ones(3)])
    assert program._is_one_type(statement, "t", [], tried) == is_one
