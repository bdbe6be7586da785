"""What is printed traces back to the same program."""

from __future__ import annotations

import pytest

import mlc
from tests.ir import samples
from tests.roundtrip import traced_back


@pytest.mark.parametrize("name", [*samples.ALL, "with_call"])
def test_samples(name: str) -> None:
    program = getattr(samples, name)()
    again = traced_back(program)
    mlc.assert_structural_equal(again, program)
    assert again.script() == program.script()
