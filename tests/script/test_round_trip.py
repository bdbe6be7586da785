"""What is printed traces back to the same program."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from tests.ir import samples
from tests.roundtrip import traced_back


@pytest.mark.parametrize("name", [*samples.ALL, "with_call"])
def test_samples(name: str) -> None:
    program = getattr(samples, name)()
    again = traced_back(program)
    mlc.assert_structural_equal(again, program)
    assert again.script() == program.script()


@T.program
def two_regions(A: T.Buffer((64, 64)), B: T.Buffer((64, 64))) -> None:
    for i, j, k, m in T.grid(2, 4, 2, 4):
        with T.block("B"):
            vi, vj, vk, vm = T.remap("SSSS", [i, j, k, m])
            at, to = vi * 32 + vj * 8, vk * 32 + vm * 8
            T.reads(A[at : at + 8, to : to + 8], A[to : to + 8, at : at + 8])
            T.writes(B[at : at + 8, to : to + 8])
            B[at, to] = A[to, at] + A[at, to]


def test_regions_on_one_line_share_the_names_of_their_parts() -> None:
    lines = [line.strip() for line in two_regions.script().split("\n")]
    assert lines.count("t0 = vi * 32 + vj * 8") == 3  # for T.reads, T.writes and the statement
    assert "T.reads(A[t0:t0 + 8, t1:t1 + 8], A[t1:t1 + 8, t0:t0 + 8])" in lines
    mlc.assert_structural_equal(traced_back(two_regions), two_regions)


def test_the_kernels_of_a_function_have_names_of_their_own() -> None:
    def function(x: Any) -> Any:
        return np.sort(np.sort(x, axis=0) * 2, axis=0)

    lowered = mlc.jit(function).lower(np.ones((3, 4)))
    for text, kernels in ((lowered.program, 3), (lowered.numpy, 3)):
        names = re.findall(r"^def (\w+)", text, re.MULTILINE)
        assert len(set(names)) == len(names) == kernels, names
