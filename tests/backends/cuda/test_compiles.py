"""Every kind of kernel compiles for cards, where NVRTC is installed; no card is needed."""

from __future__ import annotations

import pytest

import mlc
from mlc.compile_device import program_device_module
from mlc.ir.program import Program

from .programs import tiled_matmul, vector_add, window_sum


@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
@pytest.mark.parametrize(
    "program", [vector_add, window_sum, tiled_matmul], ids=lambda program: program.name
)
def test_compiles_for_cards(program: Program, arch: str) -> None:
    from mlc.runtime.cuda.nvrtc import compile_module, nvrtc_version

    try:
        nvrtc_version()
    except mlc.UnsupportedError as problem:
        pytest.skip(str(problem))
    assert len(compile_module(program_device_module(program), arch)) > 1000
