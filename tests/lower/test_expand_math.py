"""Functions that are passed over have no expansion."""

from __future__ import annotations

from mlc.ir.scalar import SCALAR_FNS
from mlc.lower.expand_math import _BASIC
from mlc.lower.maths import EXPANSIONS


def test_what_is_passed_over_has_no_expansion() -> None:
    assert not {name for name, _ in EXPANSIONS} & _BASIC
    assert set(SCALAR_FNS) >= _BASIC
