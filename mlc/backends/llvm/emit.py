"""From LLVM IR text to object code: with `library` and `llvmlite_binding`, the only place that
calls LLVM.

Kernels come out of our own passes with explicit vectors, so LLVM's optimiser is off by default: it
finds nothing and costs most of the compile time. Where the host's objects are not ELF (macOS,
Windows) the object is still emitted, and the image loader hands it to LLVM's own JIT linker.
"""

from __future__ import annotations

from typing import Literal

from mlc.backends.llvm import library
from mlc.backends.llvm.target import Target, host_target
from mlc.errors import CompileError

Optimize = Literal["light", "full"] | None


def emit_object(
    ir_text: str, target: Target, *, optimize: Optimize = None, opt_level: int = 2
) -> bytes:
    """The relocatable object file of an LLVM IR module.

    ``optimize`` runs LLVM's O1 (``"light"``) or O3 (``"full"``) pipeline first; ``opt_level`` (0-3)
    is the effort of instruction selection, scheduling and register allocation. Raises
    :class:`CompileError`, which carries the text, when LLVM refuses the module.
    """
    if optimize is None and library.is_direct() and target.triple == host_target().triple:
        try:
            return library.emit(ir_text, target, opt_level)
        except library.RefusedError as error:
            raise refusal(str(error), ir_text) from None
    from .llvmlite_binding import prepared

    machine, module = prepared(ir_text, target, optimize, opt_level)
    return bytes(machine.emit_object(module))


def refusal(words: str, ir_text: str) -> CompileError:
    """What a user gets where LLVM says no."""
    return CompileError(
        f"LLVM refused generated code, which is a bug in mlc: {words.strip()}", ir_text
    )
