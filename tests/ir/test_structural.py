"""Equality of programs up to names."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from mlc import te
from mlc.dtypes import float32
from mlc.ir.expr import Var, load
from mlc.ir.program import Buffer, For, LoopKind, Program, Seq, Store
from mlc.ir.structural import assert_structural_equal, structural_key
from tests.ir import samples


@pytest.mark.parametrize("name", [*samples.ALL, "with_call"])
def test_a_program_made_twice_has_one_key(name: str) -> None:
    make = getattr(samples, name)
    assert structural_key(make()) == structural_key(make())
    assert_structural_equal(make(), make())


def test_keys_differ_where_programs_do() -> None:
    made = [samples.mm_relu(), samples.mm_relu(4, 6, 7), *(f() for f in samples.ALL.values())]
    assert len({structural_key(p) for p in made}) == len(made) - 1  # mm_relu is in there twice


def copies(first: Var, second: Var) -> Program:
    x, y = Buffer("x", (3,), float32), Buffer("y", (3,), float32)
    loops = [For(v, 3, Store(y, (v,), load(x, (v,)))) for v in (first, second)]
    return Program("copies", (x, y), Seq(tuple(loops)))


def test_loops_bind_their_variables_anew() -> None:
    one = Var("i")
    assert structural_key(copies(one, one)) == structural_key(copies(Var("a"), Var("b")))


def test_strides_alignment_and_loop_kinds_count() -> None:
    base = copies(Var("i"), Var("i"))
    x, y = base.params
    strided = Buffer("x", (3,), float32, strides=(2,))
    unaligned = Buffer("x", (3,), float32, aligned=False)
    keys = {structural_key(base)}
    keys |= {structural_key(replace(base, params=(p, y))) for p in (strided, unaligned)}
    loop = For(Var("i"), 3, Store(y, (Var("i"),), load(x, (Var("i"),))))
    for kind in LoopKind:
        keys.add(structural_key(base.with_body(replace(loop, kind=kind))))
    assert len(keys) == 3 + len(LoopKind)


def test_the_first_difference_is_shown() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_structural_equal(samples.vector_sum(), samples.vector_sum(width=5))
    assert str(caught.value) == (
        "the programs differ, first here:\n"
        '  actual:   line 7: lanes = T.alloc((4,), "float32", scope="register")\n'
        '  expected: line 7: lanes = T.alloc((5,), "float32", scope="register")'
    )
    with pytest.raises(AssertionError, match=r"C\[vi, vj\] = T.max\(Y\[vi, vj\], 0.0\)"):
        A, B, Y, _ = samples.mm_relu_tensors(4, 6, 5)
        D = te.compute((4, 6), lambda i, j: te.max(Y[i, j], 1), name="C")
        assert_structural_equal(samples.mm_relu(), samples.program_of("p", [D], [A, B]))


def test_a_parameter_that_differs_is_shown() -> None:
    with pytest.raises(AssertionError, match="def mm_relu") as caught:
        assert_structural_equal(samples.mm_relu(), samples.mm_relu(4, 6, 7))
    assert '"float32"), B: T.Buffer((7, 6), "float32")' in str(caught.value)


def test_the_key_is_quick() -> None:
    x = te.placeholder((10,), "float32", name="x")

    def body(i: object) -> object:
        value = x[i]
        for _ in range(650):
            value = value * value + 1.0
        return value

    program = samples.program_of("deep", [te.compute((10,), body)], [x])
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        structural_key(program)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.02  # about 3 ms for 2000 nodes on an idle core
