"""LLVM's library without llvmlite's Python side, whose import takes longer than a small kernel.

What it takes from IR text to an object file for this machine is a dozen functions of the shared
library that llvmlite brings. Their types are those of one series of llvmlite, ``SERIES``; with any
other, and on systems whose objects are not ELF, `is_direct` is False and all goes through
``llvmlite.binding``. Both ways may be used in one process: the library is loaded once.

To load it takes longer than to compile a small kernel, and so does LLVM's first module, for which
much of the library is read and set up. `prepare` has another thread do both, while the caller finds
out what there is to compile.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from mlc.backends.llvm import apart
from mlc.backends.llvm.apart import Calls, CCall, Cell, MemoryAhead, address_of, cell
from mlc.backends.llvm.target import Target
from mlc.forks import around_fork

SERIES = "0.50."
_SIG_SETMASK = 2  # of Linux; the module `signal` takes a third of a millisecond to load
_P, _S, _I = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_MESSAGE = ctypes.c_void_p  # where a text is put, which is to be given back

# Of every function the library is asked for: what it returns, and its parameters.
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "InitializeNativeTarget": (_I, ()),
    "InitializeNativeAsmPrinter": (_I, ()),
    "InitializeNativeAsmParser": (_I, ()),
    "GetTargetFromTriple": (_P, (_S, _MESSAGE)),
    "CreateTargetMachine": (_P, (_P, _S, _S, _S, _I, _S, _S, _I, _I, _S)),
    "ContextCreate": (_P, ()),
    "ContextDispose": (None, (_P,)),
    "ParseAssembly": (_P, (_P, _S, _MESSAGE)),
    "VerifyModule": (ctypes.c_bool, (_P, _MESSAGE)),
    "GetNamedFunction": (_P, (_P, _S)),
    "IsDeclaration": (_I, (_P,)),
    "GlobalGetValueType": (_P, (_P,)),
    "PrintType": (_P, (_P,)),
    "SetTarget": (None, (_P, _S)),
    "DisposeModule": (None, (_P,)),
    "TargetMachineEmitToMemory": (_P, (_P, _P, _I, _MESSAGE)),
    "GetBufferStart": (_P, (_P,)),
    "GetBufferSize": (ctypes.c_size_t, (_P,)),
    "DisposeMemoryBuffer": (None, (_P,)),
    "DisposeString": (None, (_P,)),
}

# What is called once for all, and what makes an object file, in order.
_ALWAYS = (
    "InitializeNativeTarget", "InitializeNativeAsmPrinter", "InitializeNativeAsmParser",
)  # fmt: skip
_EMITTING = (
    "ContextCreate", "ParseAssembly", "SetTarget", "GetTargetFromTriple", "CreateTargetMachine",
    "TargetMachineEmitToMemory", "DisposeModule", "ContextDispose",
)  # fmt: skip

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
    with _in_use() as llvm:
        ahead = _emitted_ahead(llvm, (ir_text, target, opt_level)) if _begun else None
        return _emit(llvm, ir_text, target, opt_level) if ahead is None else ahead


def type_defined(ir_text: str, name: str) -> str | None:
    """The type of the function of this name that a module defines, as LLVM writes it; None if there
    is none. RefusedError with LLVM's words."""
    with _in_use() as llvm, ExitStack() as stack:
        module = _module(llvm, ir_text, stack)
        function = llvm.GetNamedFunction(module, name.encode())
        if not function or llvm.IsDeclaration(function):
            return None
        written = ctypes.c_void_p(llvm.PrintType(llvm.GlobalGetValueType(function)))
        stack.callback(llvm.DisposeString, written)
        return _text(written)


def _emit(llvm: SimpleNamespace, ir_text: str, target: Target, opt_level: int) -> bytes:
    with ExitStack() as stack:
        module = _module(llvm, ir_text, stack)
        llvm.SetTarget(module, target.triple.encode())
        words = _words(llvm, stack)
        with _machine(llvm, target, opt_level) as machine:
            buffer = llvm.TargetMachineEmitToMemory(machine, module, 1, ctypes.byref(words))
        if not buffer:
            raise RefusedError(_text(words))
        stack.callback(llvm.DisposeMemoryBuffer, buffer)
        return ctypes.string_at(llvm.GetBufferStart(buffer), llvm.GetBufferSize(buffer))


def _module(llvm: SimpleNamespace, ir_text: str, stack: ExitStack) -> Any:
    """A module of which LLVM finds nothing wrong, in a context of its own, until ``stack`` ends."""
    parsing, verifying = _words(llvm, stack), _words(llvm, stack)
    context = llvm.ContextCreate()
    stack.callback(llvm.ContextDispose, context)
    module = llvm.ParseAssembly(context, ir_text.encode(), ctypes.byref(parsing))
    if not module:
        raise RefusedError(f"LLVM IR parsing error\n{_text(parsing)}")
    stack.callback(llvm.DisposeModule, module)
    if llvm.VerifyModule(module, ctypes.byref(verifying)):
        raise RefusedError(_text(verifying))
    return module


def _words(llvm: SimpleNamespace, stack: ExitStack) -> ctypes.c_void_p:
    """Where LLVM may put a text, which it gets back when ``stack`` ends."""
    words = ctypes.c_void_p()
    stack.callback(llvm.DisposeString, words)
    return words


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


_loading = threading.RLock()  # held while the library is loaded
_loaded: SimpleNamespace | None = None
_users: list[int] = []  # the threads of Python's that are inside of the library
_helper: Calls | None = None
_memory: MemoryAhead | None = None


def prepare(target: Target, opt_level: int = 2) -> None:
    """Have another thread load the library and compile a first module for ``target``, with what
    most kernels use, and get memory for the next one. Does nothing the second time, and where there
    is but `llvmlite.binding`."""
    global _helper, _memory
    is_new = _helper is None and _loaded is None and "llvmlite.binding.ffi" not in sys.modules
    if is_new and is_possible_ahead():
        finding, trying = _preparations(target, opt_level)
        _memory = MemoryAhead()
        _helper = Calls(([*finding, _memory.asking], trying))
        atexit.register(_helper.wait, 1)  # the process must not end in the midst of it


def hand_on(target: Target, cores: int) -> Callable[[str], None] | None:
    """:func:`emit_ahead` for ``target``, where there is another core to do so."""
    is_alone = cores == 1 or not is_possible_ahead()
    return None if is_alone else lambda ir_text: emit_ahead(ir_text, target)


def is_possible_ahead() -> bool:
    """Whether other threads can call the library without Python."""
    return is_direct() and apart.is_possible()


def emit_ahead(ir_text: str, target: Target, opt_level: int = 2) -> None:
    """Let another thread begin with what :func:`emit` of the same module will be asked for soon."""
    if is_possible_ahead() and (ir_text, target, opt_level) not in _begun:
        _library()
        found, emitting, result = _emission(ir_text, target, opt_level)
        calls = Calls(([*found, *emitting],))
        _begun[ir_text, target, opt_level] = calls, result
        atexit.register(calls.wait, 0)


_begun: dict[tuple[str, Target, int], tuple[Calls, Cell]] = {}


def _emitted_ahead(llvm: SimpleNamespace, key: tuple[str, Target, int]) -> bytes | None:
    """The object file that another thread has made, or is about to make."""
    calls, result = _begun.pop(key, (None, None))
    if calls is None or result is None:
        return None
    calls.wait(0)
    atexit.unregister(calls.wait)
    if not result.value:
        return None
    made = ctypes.string_at(llvm.GetBufferStart(result.value), llvm.GetBufferSize(result.value))
    llvm.DisposeMemoryBuffer(result.value)
    return made


def _preparations(target: Target, opt_level: int) -> tuple[list[CCall], list[CCall]]:
    """The calls that load the library, and those that try it out."""
    finding, emitting, result = _emission(_first_module(target), target, opt_level)
    dispose, none = cell(), cell()
    library = finding[1].result
    finding.append(_found(library, "DisposeMemoryBuffer", dispose))
    for name in _ALWAYS:
        function = cell()
        finding += [_found(library, name, function), CCall(function, (), none, must=False)]
    return finding, [*emitting, CCall(dispose, (result,), none, must=False)]


def _found(library: Cell, name: str, function: Cell) -> CCall:
    return CCall(_address("dlsym"), (library, cell(f"LLVMPY_{name}".encode())), function)


def _address(name: str) -> Cell:
    return cell(address_of(name))


def _emission(
    ir_text: str, target: Target, opt_level: int
) -> tuple[list[CCall], list[CCall], Cell]:
    """The calls that find the library's functions, those that make an object file of a module, and
    where its buffer will be."""
    path = _path()
    assert path is not None
    none, library, every_signal = cell(), cell(), cell(b"\xff" * 128)
    named = {name: cell() for name in _EMITTING}
    finding = [
        CCall(_address("pthread_sigmask"), (cell(_SIG_SETMASK), every_signal), none, must=False),
        CCall(_address("dlopen"), (cell(os.fsencode(path)), cell(os.RTLD_NOW)), library),
        *(_found(library, name, function) for name, function in named.items()),
    ]
    context, module, kind, machine, result = (cell() for _ in range(5))
    texts = (target.triple, target.cpu, target.features, ir_text)
    triple, cpu, features, text = (cell(text.encode()) for text in texts)
    effort, words, file = cell(opt_level), cell(cell()), cell(1)
    model = (cell(b"pic"), cell(b"small"), cell(), cell(), cell(b""))
    given: dict[str, tuple[tuple[Cell, ...], Cell]] = {
        "ContextCreate": ((), context),
        "ParseAssembly": ((context, text, words), module),
        "SetTarget": ((module, triple), cell()),
        "GetTargetFromTriple": ((triple, words), kind),
        "CreateTargetMachine": ((kind, triple, cpu, features, effort, *model), machine),
        "TargetMachineEmitToMemory": ((machine, module, file, words), result),
        "DisposeModule": ((module,), cell()),
        "ContextDispose": ((context,), cell()),
    }
    emitting = [CCall(named[n], *given[n], must=_FUNCTIONS[n][0] is not None) for n in _EMITTING]
    return finding, emitting, result


def _first_module(target: Target) -> str:
    """A small kernel of the kind that `module` makes: vectors in a loop, a masked rest, a call."""
    lanes = target.lanes(4)
    v, m, n = f"<{lanes} x float>", f"<{lanes} x i1>", f"<{lanes} x i64>"
    numbers = ", ".join(f"i64 {lane}" for lane in range(lanes))
    return f"""
declare {v} @llvm.fma.v{lanes}f32({v}, {v}, {v})
declare {v} @llvm.masked.load.v{lanes}f32.p0(ptr, {m}, {v})
declare void @llvm.masked.store.v{lanes}f32.p0({v}, ptr, {m})
define internal void @kernel(ptr noundef align 4 %p, ptr noundef align 4 %q) #0 {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %at = mul i64 %i, {2 * lanes}
  %p0 = getelementptr float, ptr %p, i64 %at
  %x0 = load {v}, ptr %p0, align 4
  %y0 = call {v} @llvm.fma.v{lanes}f32({v} %x0, {v} %x0, {v} %x0)
  %c0 = fcmp ogt {v} zeroinitializer, %y0
  %z0 = select {m} %c0, {v} zeroinitializer, {v} %y0
  %q0 = getelementptr float, ptr %q, i64 %at
  store {v} %z0, ptr %q0, align 4
  %p1 = getelementptr float, ptr %p0, i64 {lanes}
  %x1 = load {v}, ptr %p1, align 4
  %y1 = fadd {v} %x1, %x0
  %q1 = getelementptr float, ptr %q0, i64 {lanes}
  store {v} %y1, ptr %q1, align 4
  %next = add nuw nsw i64 %i, 1
  %more = icmp ult i64 %next, 9
  br i1 %more, label %loop, label %rest
rest:
  %n = add {n} <{numbers}>, splat (i64 {18 * lanes})
  %m = icmp slt {n} %n, splat (i64 {18 * lanes + 1})
  %p2 = getelementptr float, ptr %p, i64 {18 * lanes}
  %x2 = call {v} @llvm.masked.load.v{lanes}f32.p0(ptr align 4 %p2, {m} %m, {v} zeroinitializer)
  %y2 = fmul {v} %x2, %x2
  %q2 = getelementptr float, ptr %q, i64 {18 * lanes}
  call void @llvm.masked.store.v{lanes}f32.p0({v} %y2, ptr align 4 %q2, {m} %m)
  ret void
}}
define i32 @main(ptr noundef %buffers) #0 {{
entry:
  %p = load ptr, ptr %buffers, align 8
  %places = getelementptr ptr, ptr %buffers, i64 1
  %q = load ptr, ptr %places, align 8
  call void @kernel(ptr %p, ptr %q)
  ret i32 0
}}
attributes #0 = {{ nounwind {target.attributes()} "prefer-vector-width"="{target.vector_bits}" }}
"""


def _library() -> SimpleNamespace:
    """The functions, ready to be called, with the code generator of this machine set up."""
    global _loaded
    with _loading:
        if _loaded is None:
            if _helper is not None and _memory is not None:
                _helper.wait(0)
                _memory.give_back()
            _loaded = _load()
        return _loaded


@contextmanager
def _in_use() -> Iterator[SimpleNamespace]:
    """The functions, with locks that LLVM takes meanwhile: other threads do not fork before."""
    with _loading:
        llvm = _library()
        _users.append(threading.get_ident())
    try:
        yield llvm
    finally:
        _users.remove(threading.get_ident())


def _load() -> SimpleNamespace:
    path = _path()
    assert path is not None
    free, held = ctypes.CDLL(path), ctypes.PyDLL(path)
    llvm = SimpleNamespace()
    for name in _FUNCTIONS:
        setattr(llvm, name, _function(free if name in _SLOW else held, name))
    # These change LLVM's list of targets, which another thread may be in by way of llvmlite.
    binding = sys.modules.get("llvmlite.binding.ffi")
    with nullcontext() if binding is None else binding.lib._lock:
        for name in _ALWAYS:
            getattr(llvm, name)()
    return llvm


def _function(library: ctypes.CDLL, name: str) -> Any:
    function = library[f"LLVMPY_{name}"]
    function.restype, function.argtypes = _FUNCTIONS[name]
    return function


_theirs: list[Any] = []  # locks of llvmlite's that are held over a fork
_LONGEST = 10.0  # seconds that a fork waits for each of both


def _before_fork() -> None:
    """Wait until no other thread is inside of LLVM: a child would find its locks as it left them,
    and that of llvmlite, too."""
    _loading.acquire()
    # A child has no such thread, but would have the dynamic linker's lock as the thread left it.
    if _helper is not None:
        _helper.wait(1)
    for calls, _ in list(_begun.values()):
        calls.wait(0)
    end, me = time.monotonic() + _LONGEST, threading.get_ident()
    while any(user != me for user in _users) and time.monotonic() < end:
        time.sleep(0.001)
    binding = sys.modules.get("llvmlite.binding.ffi")
    lock = getattr(getattr(getattr(binding, "lib", None), "_lock", None), "_lock", None)
    if lock is not None and lock.acquire(timeout=_LONGEST):
        _theirs.append(lock)


def _after_fork() -> None:
    while _theirs:
        _theirs.pop().release()
    _loading.release()


def _forget_users() -> None:
    me = threading.get_ident()
    _users[:] = [user for user in _users if user == me]


around_fork(_before_fork, _after_fork)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_users)
