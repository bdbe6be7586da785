"""LLVM's library without llvmlite's Python side, whose import takes longer than a small kernel.

What it takes from IR text to an object file for this machine is a dozen functions of the shared
library that llvmlite brings. Their types are those of one series of llvmlite, ``SERIES``; with any
other, and on systems whose objects are not ELF, `is_direct` is False and all goes through
``llvmlite.binding``. Both ways may be used in one process: the library is loaded once.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from mlc.backends.llvm.target import Target

SERIES = "0.50."
_P, _S, _I = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_MESSAGE = ctypes.c_void_p  # where a text is put, which is to be given back

# Of every function the library is asked for: what it returns, and its parameters.
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "InitializeNativeTarget": (_I, ()),
    "InitializeNativeAsmPrinter": (_I, ()),
    "GetTargetFromTriple": (_P, (_S, _MESSAGE)),
    "CreateTargetMachine": (_P, (_P, _S, _S, _S, _I, _S, _S, _I, _I, _S)),
    "ContextCreate": (_P, ()),
    "ContextDispose": (None, (_P,)),
    "ParseAssembly": (_P, (_P, _S, _MESSAGE)),
    "VerifyModule": (ctypes.c_bool, (_P, _MESSAGE)),
    "SetTarget": (None, (_P, _S)),
    "DisposeModule": (None, (_P,)),
    "TargetMachineEmitToMemory": (_P, (_P, _P, _I, _MESSAGE)),
    "GetBufferStart": (_P, (_P,)),
    "GetBufferSize": (ctypes.c_size_t, (_P,)),
    "DisposeMemoryBuffer": (None, (_P,)),
    "DisposeString": (None, (_P,)),
}

# Those that may take long let other Python threads run meanwhile.
_SLOW = ("ParseAssembly", "VerifyModule", "TargetMachineEmitToMemory")


class RefusedError(Exception):
    """What LLVM says about a module that it does not take."""


@functools.cache
def is_direct() -> bool:
    """Whether the library of the installed llvmlite is one that is known here."""
    return sys.platform == "linux" and _path() is not None


@functools.cache
def _path() -> str | None:
    import llvmlite

    if not str(getattr(llvmlite, "__version__", "")).startswith(SERIES):
        return None
    path = os.path.join(os.path.dirname(str(llvmlite.__file__)), "binding", "libllvmlite.so")
    return path if os.path.isfile(path) else None


def emit(ir_text: str, target: Target, opt_level: int) -> bytes:
    """The object file of a module, for a target of this machine's kind; RefusedError with LLVM's
    words. Threads may do so at the same time."""
    llvm = _library()
    with ExitStack() as stack:
        words = [ctypes.c_void_p() for _ in range(3)]
        for text in words:
            stack.callback(llvm.DisposeString, text)
        context = llvm.ContextCreate()
        stack.callback(llvm.ContextDispose, context)
        module = llvm.ParseAssembly(context, ir_text.encode(), ctypes.byref(words[0]))
        if not module:
            raise RefusedError(f"LLVM IR parsing error\n{_text(words[0])}")
        stack.callback(llvm.DisposeModule, module)
        if llvm.VerifyModule(module, ctypes.byref(words[1])):
            raise RefusedError(_text(words[1]))
        llvm.SetTarget(module, target.triple.encode())
        with _machine(llvm, target, opt_level) as machine:
            buffer = llvm.TargetMachineEmitToMemory(machine, module, 1, ctypes.byref(words[2]))
        if not buffer:
            raise RefusedError(_text(words[2]))
        stack.callback(llvm.DisposeMemoryBuffer, buffer)
        return ctypes.string_at(llvm.GetBufferStart(buffer), llvm.GetBufferSize(buffer))


def _text(words: ctypes.c_void_p) -> str:
    return ctypes.string_at(words.value or b"").decode(errors="replace")


_free_machines: dict[tuple[str, str, str, int], list[int]] = {}


@contextmanager
def _machine(llvm: SimpleNamespace, target: Target, opt_level: int) -> Iterator[int]:
    """A target machine that no other thread uses."""
    key = target.triple, target.cpu, target.features, opt_level
    free = _free_machines.setdefault(key, [])
    try:
        machine = free.pop()
    except IndexError:
        triple, cpu, features = (text.encode() for text in key[:3])
        message = ctypes.c_void_p()
        kind = llvm.GetTargetFromTriple(triple, ctypes.byref(message))
        made = kind and llvm.CreateTargetMachine(
            kind, triple, cpu, features, opt_level, b"pic", b"small", 0, 0, b""
        )
        if not made:
            raise RefusedError(f"there is no code generator for {target.triple!r}") from None
        machine = made
    yield machine
    free.append(machine)


@functools.cache
def _library() -> SimpleNamespace:
    """The functions, ready to be called, with the code generator of this machine set up."""
    path = _path()
    assert path is not None
    free, held = ctypes.CDLL(path), ctypes.PyDLL(path)
    llvm = SimpleNamespace()
    for name, (result, parameters) in _FUNCTIONS.items():
        function = (free if name in _SLOW else held)[f"LLVMPY_{name}"]
        function.restype, function.argtypes = result, parameters
        setattr(llvm, name, function)
    # These change LLVM's list of targets, which another thread may be in by way of llvmlite.
    binding = sys.modules.get("llvmlite.binding.ffi")
    with nullcontext() if binding is None else binding.lib._lock:
        llvm.InitializeNativeTarget()
        llvm.InitializeNativeAsmPrinter()
    return llvm
