"""LLVM's library called directly: the same code as through llvmlite's Python side."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import llvmlite
import numpy as np
import pytest

import mlc
from mlc.backends.llvm import emit, library
from mlc.backends.llvm.target import host_target, x86_target
from mlc.errors import CompileError

pytestmark = pytest.mark.skipif(
    not library.is_direct(), reason="another series of llvmlite, or objects that are not ELF"
)


def texts() -> list[str]:
    x = np.ones((33, 70), np.float32)
    functions: list[Any] = [
        lambda a: np.maximum(a * a + 1, 0),
        lambda a: np.exp(a).sum(axis=1),
        lambda a: a @ a.T,
        lambda a: np.argmax(a, axis=0) // 3,
    ]
    return [mlc.jit(f).lower(x).llvm for f in functions]


@pytest.mark.parametrize("opt_level", [0, 2])
def test_the_same_objects(opt_level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    target = host_target()
    ours = [emit.emit_object(text, target, opt_level=opt_level) for text in texts()]
    monkeypatch.setattr(library, "is_direct", lambda: False)
    theirs = [emit.emit_object(text, target, opt_level=opt_level) for text in texts()]
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("define i32 @f( {", "expected type"),
        ("define i32 @f() {\n  %x = add i32 %y, 1\n  ret i32 %x\n}", "use of undefined value"),
        (
            "define i32 @f(i1 %c) {\ne:\n  br i1 %c, label %a, label %b\na:\n  %x = add i32 1, 1\n"
            "  br label %b\nb:\n  ret i32 %x\n}",
            "does not dominate",
        ),
    ],
)
def test_what_llvm_refuses(text: str, words: str) -> None:
    with pytest.raises(CompileError, match="LLVM refused generated code") as caught:
        emit.emit_object(text, host_target())
    assert words in str(caught.value)


def test_threads_compile_at_the_same_time() -> None:
    target, text = host_target(), texts()[0]
    expected = emit.emit_object(text, target)
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(emit.emit_object(text, target)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 6


def test_another_series_is_not_called_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvmlite, "__version__", "0.99.0")
    monkeypatch.setattr(library, "is_direct", library.is_direct.__wrapped__)
    monkeypatch.setattr(library, "_path", library._path.__wrapped__)
    assert not library.is_direct()
    assert emit.emit_object(texts()[0], host_target())[:4] == b"\x7fELF"


@pytest.mark.parametrize("flags", ["", "avx avx2 fma bmi1 bmi2 f16c abm movbe"])
def test_the_module_to_try_out_is_one_that_llvm_takes(flags: str) -> None:
    for target in (host_target(), x86_target({"flags": flags})):
        text = library._first_module(target)
        assert emit.emit_object(text, target)[:4] == b"\x7fELF"


def test_the_library_is_loaded_by_another_thread() -> None:
    code = """
import os, threading
from mlc.backends.llvm import library
from mlc.backends.llvm.target import host_target
target = host_target()
emitted = []
emit = library._emit
library._emit = lambda *rest: emitted.append(threading.current_thread().name) or emit(*rest)
library.prepare(target)
library.prepare(target)
child = os.fork()  # while the library is being loaded
text = library._first_module(target)
works = library.emit(text, target, 2) == library.emit(text, target, 2)
if child == 0:
    os._exit(0 if works and threading.active_count() == 1 else 1)
assert works and os.waitpid(child, 0)[1] == 0
print(*emitted)
"""
    settings = dict(os.environ, MLC_CACHE="0")
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=settings
    )
    assert found.stdout.split() == ["mlc-llvm", "MainThread", "MainThread"]


def test_nothing_is_prepared_where_the_library_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("_helper", "_loaded"):
        monkeypatch.setattr(library, name, None)
    monkeypatch.setattr(library, "is_direct", lambda: False)
    library.prepare(host_target())
    assert library._helper is None


def test_a_first_call_imports_little() -> None:
    code = """
import sys
import numpy as np, mlc
f = mlc.jit(lambda a, b: np.maximum(a * b + a, 0.0))
assert f(np.ones(9, np.float32), np.ones(9, np.float32))[8] == 2
late = ("llvmlite.binding", "numpy.ma", "optree", "sysconfig", "fractions", "mlc.ops.sets",
        "mlc.schedules.legality.exhaustive", "mlc.tracer.complex.fft", "_hashlib", "html",
        "numpy.random", "numpy.fft", "mlc.graph.join_attention",
        "mlc.schedules.defaults.contraction", "mlc.intrinsics.extremes",
        "mlc.backends.llvm.intrinsics")
print(*(name for name in late if name in sys.modules))
"""
    settings = dict(os.environ, MLC_CACHE="0", MLC_TUNED="0")
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=settings
    )
    assert found.stdout.split() == []
