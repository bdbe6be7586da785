"""Every row of the table through te and the reference evaluator."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .cases import Case, all_cases, check
from .harness import run

CASES = [case for case in all_cases() if not case.needs_jit]
EXAMPLES = max(settings.default.max_examples // 2, 3)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_as_numpy(case: Case, data: Any) -> None:
    arrays = data.draw(case.inputs)
    check(case, arrays, run(case.function, arrays))
