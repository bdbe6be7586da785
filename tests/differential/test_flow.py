"""A sample of what ``python -m tests.differential --flow`` does, and that it would find what is
wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import mlc

from . import flowing
from .flow import Compound, lines_of
from .flowing import FlowProgram, check_flow, draw_flow, shrunk_flow
from .prints import printed, with_prints


@pytest.mark.parametrize("first", [0, 8])
def test_random_control_flow_does_what_python_does(first: int) -> None:
    kinds = Counter[str]()
    for seed in range(first, first + 8):
        outcome = check_flow(draw_flow(seed))
        assert outcome.kind != "different", f"seed {seed}: {outcome.text}"
        kinds[outcome.kind] += 1
    assert kinds["same"] >= 4, kinds  # what is refused says so


def test_random_control_flow_prints_what_python_does() -> None:
    kinds = Counter[str]()
    for seed in range(9002, 9010):
        program = with_prints(draw_flow(seed), seed)
        function, arguments = program.function(), program.arguments
        compiled, expected = mlc.jit(function), printed(function, arguments)
        for _ in range(2):
            found = printed(compiled, arguments)
            is_refused = found[1] is not None and issubclass(found[1], mlc.MlcError)
            assert is_refused or found == expected, f"seed {seed}"
            kinds["refused" if is_refused else "same"] += 1
    assert kinds["same"] >= 12, kinds


def test_programs_are_deep_and_of_every_kind() -> None:
    texts = [draw_flow(seed).source for seed in range(150)]
    for part in (
        "for ", "while ", "else:", "break", "continue", "return v", "try:", "nonlocal", "finally:",
        "q.append(", "q.pop(", "enumerate(", "zip(", "Box(", "del d[", "u.add(", "raise ",
        " if w > ", "z = x[1:4]", "n, m = m, n", " " * 20,
        "match ", "with ", "Deep(", "f = f[1:]", "key=lambda", "return h(", "da['one']", "case _:",
    ):  # fmt: skip
        assert any(part in text for text in texts), part


def test_what_differs_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    jit = flowing.mlc.jit

    def wrong(function: Any, target: str) -> Any:
        made = jit(function)

        def call(*arguments: Any) -> Any:
            *others, last = made(*arguments)
            return (*others, last + 1 if arguments[1][0] else last)

        return call

    monkeypatch.setattr(flowing.mlc, "jit", wrong)
    inner = Compound((("for i in range(2):", ("n += 1", "m -= 1")), ("else:", ("m = 4",))))
    nodes = ("n = 1", "m = 3", Compound((("if x[0] > 0:", (inner,)),)), "s = 0.5")
    arguments = (np.ones(3), np.arange(1, 4), np.ones((2, 2)), 1.0)
    program = FlowProgram(nodes, arguments, ("m", "n"))
    assert check_flow(program).text == "the result[1]: np.int64(4) instead of np.int64(3) at ()"
    small = shrunk_flow(program)
    assert lines_of(small.nodes) == ["m = 3"] and small.results == ("m",)
