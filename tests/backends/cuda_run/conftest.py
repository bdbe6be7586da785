"""CUDA text by hand, as modules."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mlc.backends.cuda.device import Argument, DeviceModule, Launch
from mlc.config import config
from mlc.runtime.cuda import card
from mlc.runtime.cuda.trial import Trial

from .fake_cupy import FakeCuPy

Array = np.ndarray[Any, Any]
ORDERS = ("forward", "reverse", "random")


def one_kernel(
    source: str,
    arguments: int,
    grid: tuple[int, int, int] | int = 1,
    block: tuple[int, int, int] | int = 32,
    shared: int = 0,
) -> DeviceModule:
    """A module with the kernel ``k``, whose arguments are the caller's arrays in order."""
    extents = [n if isinstance(n, tuple) else (n, 1, 1) for n in (grid, block)]
    passed = tuple(Argument("array", n) for n in range(arguments))
    return DeviceModule("k", source, (Launch("k", *extents, shared, passed),), 0)


@pytest.fixture(params=ORDERS)
def order(request: pytest.FixtureRequest) -> Iterator[str]:
    """Once for each order of threads."""
    with config.override(emulated_order=request.param):
        yield request.param


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> FakeCuPy:
    """A stand-in for CuPy with two cards, which everything here finds in CuPy's place."""
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler")
    made = FakeCuPy()
    on = card.Card(made)
    for module in ("runtime.cuda.arrays", "runtime.cuda.launch", "runtime.cuda.host",
                   "device_call", "device_plan", "quick_call"):  # fmt: skip
        monkeypatch.setattr(f"mlc.{module}.card", lambda: on)
    monkeypatch.setattr(card, "card", lambda: on)
    monkeypatch.setattr("mlc.runtime.cuda.launch.compile_module", made.compile)
    word, many = ctypes.c_uint32, ctypes.c_void_p
    kinds = (many, word, word, many, many, many, many, many, word, word, word, word)
    encode = ctypes.CFUNCTYPE(ctypes.c_int, *kinds)(made.encode)
    monkeypatch.setattr("mlc.runtime.cuda.tensor_maps._encoder", lambda: encode)
    monkeypatch.setattr("mlc.runtime.cuda.trial.trial", lambda on: Trial())
    return made


@pytest.fixture
def run() -> Callable[..., None]:
    """``run(source, arrays, grid=, block=, shared=)`` emulates one kernel."""
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler")
    from mlc.runtime.cuda import emulate

    def run_it(source: str, arrays: list[Array], **shape: Any) -> None:
        emulate.run_arrays(one_kernel(source, len(arrays), **shape), arrays)

    return run_it
