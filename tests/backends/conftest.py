"""Runs flat programs through LLVM, and compares with NumPy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlc.backends.llvm.module import BufferRef, KernelCall, ModuleText, module_text
from mlc.backends.llvm.target import Target, host_target
from mlc.ir.program import Program
from mlc.runtime.executor import address_of
from mlc.runtime.image import compile_image, load_image
from mlc.runtime.symbols import resolver

Run = Callable[..., int]

_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
_POOL = ctypes.CFUNCTYPE(None, _BODY, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@_POOL
def in_chunks(body: Any, ctx: Any, n: int, grain: int) -> None:
    """A thread pool of one thread, as if there were two, that takes the last chunk first."""
    for slot, start in enumerate(reversed(range(0, n, grain))):
        body(ctx, start, min(start + grain, n), slot % 2)


def one_kernel(program: Program, debug: bool = False, target: Target | None = None) -> ModuleText:
    """The module that calls one kernel with the caller's buffers in order."""
    refs = tuple(BufferRef("param", i) for i in range(len(program.params)))
    return module_text([program], [KernelCall(0, refs)], target or host_target(), debug)


@pytest.fixture
def run_llvm() -> Run:
    """``run_llvm(program, *arrays)`` runs a flat program on arrays in place; its return code."""

    def run(
        program: Program,
        *arrays: np.ndarray[Any, Any],
        debug: bool = False,
        target: Target | None = None,
    ) -> int:
        assert len(arrays) == len(program.params)
        text = one_kernel(program, debug, target).text
        pool = ctypes.cast(in_chunks, ctypes.c_void_p).value or 0
        image = load_image(compile_image(text, host_target()), resolver({"mlc_parallel_for": pool}))
        main = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)(
            image.address("mlc_main")
        )
        pointers = (ctypes.c_void_p * len(arrays))(*map(address_of, arrays))
        code = int(main(ctypes.addressof(pointers), None))
        if code:
            record = (ctypes.c_int64 * 2).from_address(image.address("mlc_error_record"))
            run.record = tuple(record)  # type: ignore[attr-defined]
        return code

    return run
