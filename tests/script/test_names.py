"""What axes are called, and what is said of functions that nobody has."""

from __future__ import annotations

import copy
import ctypes
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te


def test_axes_on_one_line_are_called_after_their_loops() -> None:
    @T.program
    def sums(A: T.Buffer((8, 4)), B: T.Buffer((8,))):
        for i, j in T.grid(8, 4):
            with T.block("B"):
                vi, vj = T.axis.spatial(8, i), T.axis.reduce(4, j)
                with T.init():
                    B[vi] = 0.0
                B[vi] += A[vi, vj]

    assert 'vi, vj = T.remap("SR", [i, j])' in sums.script()


@T.program
def magnitude(A: T.Buffer((1,), "float64"), B: T.Buffer((1,), "float64")):
    with T.block("B"):
        T.reads(A[0:1])
        T.writes(B[0:1])
        T.call_extern("nowhere_to_be_found", B, A)


def test_a_function_that_nobody_has_is_said_with_the_way_to_give_it() -> None:
    text = r"no library .* has a function of that name; load its library first, with ctypes\.CDLL"
    with pytest.raises(mlc.CompileError, match=text):
        mlc.build(magnitude)(np.ones(1), np.ones(1))


def test_a_function_of_the_process_is_called() -> None:
    assert ctypes.CDLL(None).memcpy

    @T.program
    def copied(A: T.Buffer((4,)), B: T.Buffer((4,))):
        with T.block("B"):
            T.reads(A[0:4])
            T.writes(B[0:4])
            T.call_extern("memcpy", B, A, 16)

    a, b = np.arange(4, dtype=np.float32), np.empty(4, np.float32)
    mlc.build(copied)(a, b)
    np.testing.assert_array_equal(a, b)


def test_a_function_that_ctypes_has_loaded_is_called() -> None:
    library = ctypes.CDLL(None)

    def filled(function: Any) -> Any:
        @T.program
        def fill(A: T.Buffer((4,), "uint8"), B: T.Buffer((4,), "uint8")):
            with T.block("B"):
                T.reads(A[0:4])
                T.writes(B[0:4])
                T.call_extern(function, B, 7, T.int64(4))

        return fill

    program, b = filled(library.memset), np.zeros(4, np.uint8)
    mlc.build(program)(b, b)
    assert b.tolist() == [7, 7, 7, 7] and 'T.call("memset", B, 7, 4)' in program.script()
    for other in (np.sin, ctypes.CFUNCTYPE(None)(lambda: None)):
        with pytest.raises(mlc.ArgumentError, match=r"T\.call_extern wants the name of a function"):
            filled(other)
    library.puts.__name__ = "memset"  # as another library may have one of that name
    with pytest.raises(mlc.ArgumentError, match="knows another function called memset"):
        filled(library.puts)


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        (mlc, "njit", "module 'mlc' has no attribute 'njit'; there is mlc.jit"),
        (mlc, "shedule", "module 'mlc' has no attribute 'shedule'; there is mlc.schedule"),
        (T, "prim_func", "module 'mlc.script' has no attribute 'prim_func'; there is T.program"),
        (
            T,
            "vectorised",
            "module 'mlc.script' has no attribute 'vectorised'; there is T.vectorized",
        ),
        (T, "Or", "module 'mlc.script' has no attribute 'Or'; there is a | b"),
        (te, "rsqrt", "module 'mlc.te' has no attribute 'rsqrt'; there is 1 / te.sqrt(x)"),
        (
            mlc.testing,
            "check_agains_numpy",
            "module 'mlc.testing' has no attribute 'check_agains_numpy'; there is "
            "mlc.testing.check_against_numpy",
        ),
        (
            mlc.numpy,
            "argmaxx",
            "mlc.numpy has no 'argmaxx', and NumPy has none either; there is mlc.numpy.argmax",
        ),
        (T, "zzz", "module 'mlc.script' has no attribute 'zzz'"),
        (
            mlc.Schedule(magnitude),
            "get_loops",
            "a schedule has no step 'get_loops'; there is s.loops",
        ),
        (T.Module({"f": magnitude}), "g", "module module has no program 'g'; it has f"),
    ],
)
def test_names_of_others_lead_to_ours(module: Any, name: str, text: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(module, name)
    assert str(caught.value) == text


def test_programs_of_a_module_are_attributes() -> None:
    module = T.Module({"f": magnitude})
    assert module.f is module["f"] and "f" in dir(module)
    assert copy.copy(module).f is magnitude


def test_loops_and_values_of_long_functions_have_their_names() -> None:
    """Jumps over more than 255 instructions, and more names than that, take arguments in pieces."""
    many = range(300)
    text = "\n".join([
        "def long(A: T.Buffer((4, 300)), B: T.Buffer((4, 300))):",
        "    for row in T.serial(4):",
        "        with T.block('all'):",
        "            v = T.axis.spatial(4, row)",
        *(f"            B[v, {n}] = A[v, {n}]" for n in many),
        "def sums(x):",
        *(f"    len('').bit_{n} if len('') else 0; n{n} = {n}" for n in many),
        "    halved = x.T / 2.0",
        "    turned = halved.T",
        "    return turned * turned",
    ])  # fmt: skip
    space: dict[str, Any] = {"T": T}
    exec(compile(text, "long_functions.py", "exec"), space)
    assert "for row in T.serial(4):" in T.program(space["long"]).script()
    blocks: list[str] = []

    @mlc.schedule
    def look(s):
        blocks.extend(block.name for block in s.blocks())

    mlc.jit(look(space["sums"]))(np.ones((2, 3)))
    assert blocks == ["transpose", "halved", "turned", "multiply"]
