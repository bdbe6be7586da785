"""Every row of the table through mlc.jit, of arrays in any layout: machine code, and the two
reference backends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc

from .cases import Case, all_cases, check
from .inputs import in_any_layout

CASES = all_cases()
NAMES = [case.name for case in CASES]
EXAMPLES = max(settings.default.max_examples // 6, 3)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_machine_code(case: Case, data: Any) -> None:
    arrays = data.draw(in_any_layout(case.inputs))
    check(case, arrays, mlc.jit(case.function)(*arrays))


@pytest.mark.parametrize("target", ["interpret", "numpy"])
@pytest.mark.parametrize("case", CASES, ids=NAMES)
@settings(max_examples=max(EXAMPLES // 2, 2))
@given(data=st.data())
def test_reference_backends(case: Case, target: str, data: Any) -> None:
    arrays = data.draw(in_any_layout(case.inputs))
    check(case, arrays, mlc.jit(case.function, target=target)(*arrays))
