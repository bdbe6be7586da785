"""Wrong arguments to mlc.time."""

from __future__ import annotations

import pytest

import mlc


def test_only_functions_can_be_timed() -> None:
    with pytest.raises(mlc.ArgumentError, match=r"expected a function to time, got int 3; pass"):
        mlc.time(3)
