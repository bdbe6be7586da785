"""What is printed traces back to the same program."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.ir.notation import identifier
from mlc.ir.program import Program
from tests.ir import samples


def traced_back(program: Program) -> Program:
    """The program that the script of ``program`` is."""
    names = {"T": T, "np": np}
    exec(compile(program.script(), "<script>", "exec"), names)
    found = names[identifier(program.name)]
    assert isinstance(found, Program)
    return found


@pytest.mark.parametrize("name", [*samples.ALL, "with_call"])
def test_samples(name: str) -> None:
    program = getattr(samples, name)()
    again = traced_back(program)
    mlc.assert_structural_equal(again, program)
    assert again.script() == program.script()
