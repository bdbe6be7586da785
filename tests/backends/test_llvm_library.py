"""LLVM's library called directly: the same code as through llvmlite's Python side."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import llvmlite
import numpy as np
import pytest

import mlc
from mlc.backends.llvm import apart, beside, emit, library, module
from mlc.backends.llvm.target import host_target, x86_target
from mlc.errors import CompileError
from mlc.lower import pipeline
from mlc.runtime import processors
from mlc.runtime.threads import available_cpus

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


def run_apart(code: str, **settings: str) -> str:
    """What a process of its own prints that prepares LLVM's library for this machine."""
    first = """
import os
from mlc.backends.llvm import library
from mlc.backends.llvm.target import host_target
target = host_target()
library.prepare(target)
"""
    found = subprocess.run(
        [sys.executable, "-c", first + code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **settings},
    )
    return found.stdout


prepared = pytest.mark.skipif(not apart.is_possible(), reason="no other thread loads the library")


@prepared
def test_the_library_is_loaded_by_another_thread() -> None:
    code = """
helper = library._helper
library.prepare(target)
assert library._helper is helper
child = os.fork()  # while the library is being loaded
text = library._first_module(target)
works = library.emit(text, target, 2) == library.emit(text, target, 2)
if child == 0:
    os._exit(0 if works and len(os.listdir("/proc/self/task")) == 1 else 1)
assert works and os.waitpid(child, 0)[1] == 0
assert len(os.listdir("/proc/self/task")) == 1
print("done")
"""
    assert run_apart(code) == "done\n"


@prepared
def test_all_of_the_trial_is_done() -> None:
    code = """
loading, trying = library._preparations(target, 2)
library.Calls((loading, trying)).wait(1)
print([bool(call.result.value) for call in trying if call.must])
"""
    assert run_apart(code) == "[True, True, True, True, True]\n"


@prepared
def test_the_memory_for_the_first_module_is_given_back() -> None:
    code = """
text, memory, _ = library._first_module(target), library._memory, library._library()
library._helper.wait(1)  # until LLVM's own pages are there
library.emit(text, target, 2)
print(memory.asking is not None, len(memory._blocks))
"""
    assert run_apart(code).split() == ["True", "0"]


@prepared
def test_another_thread_makes_an_object_file() -> None:
    target, text = host_target(), texts()[0]
    expected = emit.emit_object(text, target)
    library.emit_ahead(text, target)
    ((calls, result),) = library._begun.values()
    calls.wait(0)
    assert result.value
    assert emit.emit_object(text, target) == expected and not library._begun
    assert emit.emit_object(text, target) == expected
    library.emit_ahead("this is no module", target)
    with pytest.raises(CompileError, match="LLVM IR parsing error"):
        emit.emit_object("this is no module", target)


@prepared
@pytest.mark.parametrize("cores", [1, 2])
def test_kernels_are_compiled_while_later_ones_are_lowered(
    cores: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[str] = []
    lower, emit_ahead = pipeline.lower, library.emit_ahead

    def lowering(*args: Any, **options: Any) -> Any:
        done.append("lowered")
        return lower(*args, **options)

    def beside(text: str, target: Any) -> None:
        done.append("begun")
        assert "define hidden void @k" in text and "mlc_main" not in text
        emit_ahead(text, target)

    monkeypatch.setattr(pipeline, "lower", lowering)
    monkeypatch.setattr(library, "emit_ahead", beside)
    monkeypatch.setattr(processors, "available_cpus", lambda: cores)
    monkeypatch.setattr(module, "_PART", 0)
    monkeypatch.setattr(module, "_SHARE", 0)
    a = np.random.default_rng(0).standard_normal((3, 21 + cores))
    f = mlc.jit(lambda a: np.cumsum(np.sort(np.cumsum(a, axis=1), axis=1), axis=0))
    with mlc.config.override(cache_dir=tmp_path):
        got = f(a)
    np.testing.assert_allclose(got, np.cumsum(np.sort(np.cumsum(a, axis=1), axis=1), axis=0))
    assert done == (["lowered", "begun"] * 2 + ["lowered"] if cores > 1 else ["lowered"] * 3)
    assert not library._begun
    assert "define hidden" not in f.lower(a).llvm


def test_kernels_with_checks_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", 0)
    flat = mlc.jit(lambda a: a + 1).lower(np.ones(5)).compiled.kernels[0].flat
    for debug, more in (False, 1), (True, 0):
        handed_on: list[str] = []
        texts = module.KernelTexts(host_target(), debug, handed_on.append)
        texts.add(flat)
        for _ in range(2):
            texts.hand_on()
            assert len(handed_on) == len(texts.parts) == more
        texts.add(flat)
        texts.hand_on()
        assert len(handed_on) == more  # it is there already


def parts_of(f: Any, *arrays: Any) -> list[str]:
    """The modules of a function's kernels that are compiled beside the rest of it."""
    handed_on: list[str] = []
    texts = module.KernelTexts(host_target(), False, handed_on.append)
    for kernel in mlc.jit(f).lower(*arrays).compiled.kernels:
        texts.add(kernel.flat)
    return handed_on


def test_long_loops_are_compiled_beside_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "LONG", 60)  # tiles of AVX2 are shorter
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((300, 300), np.float32) for _ in range(2))
    (part,) = parts_of(np.matmul, a, b)
    assert part.count("define hidden void") == 1 and "llvm.fma" in part
    assert not parts_of(np.add, a, b)
    with mlc.config.override(cache=False):
        whole, f = [], mlc.jit(np.matmul)
        for most in 0.0, 0.3, 1.0:  # nothing, the rest of the rows, the tiles
            monkeypatch.setattr(beside, "_MOST", most)
            f.clear_cache()
            whole.append(f(a, b).tobytes())
            f.clear_cache()
            with mlc.set_num_threads(1):
                whole.append(f(a, b).tobytes())
    assert len(set(whole)) == 1
    np.testing.assert_allclose(f(a, b), a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)


@prepared
def test_what_stands_beside_may_have_intrinsics_and_memory_of_each_thread() -> None:
    code = """
import numpy as np, mlc
from benchmarks.functions import attention
from mlc.backends.llvm import library
begun, begin = [], library.emit_ahead
library.emit_ahead = lambda text, *other: begun.append(text) or begin(text, *other)
rng = np.random.default_rng(0)
q, k, v = (rng.standard_normal((4, 512, 64), np.float32) for _ in range(3))
exact = attention(*(x.astype(np.float64) for x in (q, k, v)))
np.testing.assert_allclose(mlc.jit(attention)(q, k, v), exact, rtol=1e-4, atol=1e-5)
print(any("_part" in text and "transpose" in text for text in begun))
"""
    assert run_apart(code, MLC_CACHE="0") == f"{available_cpus() > 1}\n"


@prepared
def test_the_code_of_the_pool_is_made_beside_the_kernel(tmp_path: Path) -> None:
    code = """
import numpy as np, mlc
from mlc.runtime import threads
a = np.ones((512, 512), np.float32)
assert (mlc.jit(np.matmul)(a, a) == 512).all()
print(threads._prepared, len(library._begun))
"""
    assert run_apart(code, MLC_CACHE_DIR=str(tmp_path)) == f"{available_cpus() > 1} 0\n"


@prepared
def test_a_process_may_end_while_the_library_is_loaded() -> None:
    assert run_apart("print('end')") == "end\n"


@prepared
def test_a_library_that_cannot_be_loaded_is_no_concern_of_the_thread() -> None:
    code = """
path, library._path = library._path, lambda: "/nowhere/libllvmlite.so"
calls = library._preparations(target, 2)
library.Calls(calls).wait(1)
print([call.result.value for call in calls[1] if call.must])
library._path = path
assert library.emit(library._first_module(target), target, 2)[:4] == b"\\x7fELF"
"""
    assert run_apart(code) == "[0, 0, 0, 0, 0]\n"


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


def test_the_code_of_an_intrinsic_is_checked_without_the_python_side() -> None:
    code = """
import sys
from mlc.backends.llvm.intrinsics import module_lines
_, symbol = module_lines("it", "define void @it(ptr %a, i64 %n) { ret void }", ("ptr", "i64"))
assert symbol == "@intrinsic_it"
print("llvmlite.binding" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("define void @it(ptr %a, i64 %n) { ret void }", "void (ptr, i64)"),
        ("define <4 x float> @it(<4 x float> %a) { ret <4 x float> %a }",
         "<4 x float> (<4 x float>)"),
        ("declare void @it(ptr)", None),
        ("define void @other(ptr %a) { ret void }", None),
    ],
)  # fmt: skip
def test_the_type_that_a_module_defines(text: str, expected: str | None) -> None:
    assert library.type_defined(text, "it") == expected


@pytest.mark.parametrize("text", ["define void @it( {", "define void @it() { ret i32 0 }"])
def test_no_type_of_what_llvm_refuses(text: str) -> None:
    with pytest.raises(library.RefusedError):
        library.type_defined(text, "it")
