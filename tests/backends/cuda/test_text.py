"""What kernels look like."""

from __future__ import annotations

from collections.abc import Callable

import mlc
from mlc.ir.program import Program

from .programs import tiled_matmul, vector_add, window_sum


def test_texts(golden: Callable[[str, str], None]) -> None:
    programs: tuple[Program, ...] = (vector_add, window_sum, tiled_matmul)
    for program in programs:
        golden(f"cuda_{program.name}", mlc.build(program, target="cuda-emulated").lower().cuda)


def test_any_target_shows_the_kernels() -> None:
    shown = mlc.build(vector_add).lower().cuda
    assert shown == mlc.build(vector_add, target="cuda-emulated").lower().cuda
    lowered = mlc.build(vector_add, target="cuda").lower()
    assert lowered.cuda == shown
    assert repr(lowered).endswith("lowered; print .graph .program .schedule .numpy .cuda")
