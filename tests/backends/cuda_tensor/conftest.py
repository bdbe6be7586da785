"""What tests of tensor cores need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from mlc.config import config
from mlc.errors import UnsupportedError
from mlc.runtime.cuda import toolkit


@pytest.fixture(autouse=True)
def _compiler() -> None:
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler")


@pytest.fixture(params=["forward", "reverse", "random"])
def order(request: pytest.FixtureRequest) -> Iterator[str]:
    """Once for each order of lanes."""
    with config.override(emulated_order=request.param):
        yield request.param


@pytest.fixture
def nvrtc() -> None:
    """Skips where NVRTC is not installed."""
    try:
        toolkit.toolkit()
    except UnsupportedError as error:
        pytest.skip(error.message)
