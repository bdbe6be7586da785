"""The forms refuse what a stage must not see, with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mlc.dtypes import float32, float64
from mlc.errors import CompileError
from mlc.ir.expr import Axis, Expr, Var, const, load
from mlc.ir.forms import check_blocks, check_flat
from mlc.ir.program import (
    Allocate,
    Block,
    Buffer,
    For,
    Iter,
    LoopKind,
    Program,
    Scope,
    Stmt,
    Store,
    seq,
)
from tests.ir import samples

x, y = Buffer("x", (8,), float32), Buffer("y", (8,), float32)
reg = Buffer("reg", (8,), float32, scope=Scope.REGISTER)
i, j = Var("i"), Var("j")
zero = const(0, float32)


def flat(body: Stmt) -> Program:
    return Program("p", (x, y), body)


def in_block(binding: Expr, body: Stmt | None = None, **fields: object) -> Program:
    axis = Axis("v", 8)
    block = Block("b", (Iter(axis, binding),), body or Store(y, (axis,), load(x, (axis,))))
    return flat(For(i, 8, replace(block, **fields)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mm_relu", "argmax", "padded"])
def test_naive_programs_are_in_block_form(name: str) -> None:
    check_blocks(samples.ALL[name]())


@pytest.mark.parametrize("name", ["vector_sum", "branches"])
def test_flat_programs_are_in_flat_form(name: str) -> None:
    check_flat(samples.ALL[name]())


def nested(outer: LoopKind, inner: LoopKind) -> Program:
    return flat(For(i, 8, For(j, 1, Store(y, (i,), zero), inner), outer))


REFUSED_FLAT: dict[str, tuple[Program, str]] = {
    "unbound": (flat(Store(y, (i,), zero)), "variable i is not bound here"),
    "undeclared": (
        flat(Store(reg, (const(0),), zero)),
        "reg is neither a parameter nor allocated here",
    ),
    "read": (
        flat(Store(y, (const(0),), load(reg, (const(0),)))),
        "reg is neither a parameter nor allocated here",
    ),
    "type": (
        flat(Store(y, (const(0),), const(0, float64))),
        "y holds float32 but is given 0.0: float64",
    ),
    "index": (flat(Store(y, (zero,), zero)), "index 0.0 of y is float32, not int64"),
    "dimensions": (flat(Store(y, (), zero)), "y: float32[8] has 1 dimensions and gets 0 indices"),
    "twice": (
        flat(For(i, 2, For(i, 2, Store(y, (i,), zero)))),
        "loop variable i is bound twice on the way to the same statement",
    ),
    "parallel": (
        nested(LoopKind.PARALLEL, LoopKind.PARALLEL),
        "parallel loop j stands inside another parallel loop",
    ),
    "vectorized": (
        nested(LoopKind.VECTORIZED, LoopKind.SERIAL),
        "serial loop j stands inside a vectorized loop",
    ),
    "block": (in_block(i), "block b is left over"),
    "register": (
        flat(Allocate((reg,), For(i, 8, Store(reg, (i,), zero)))),
        "register buffer reg has index i; wanted are constants, unrolled variables, "
        "and in the last place the lane",
    ),
    "lanes": (
        flat(Allocate((reg,), For(i, 4, Store(reg, (i,), zero), LoopKind.VECTORIZED))),
        "4 lanes index the last dimension of register buffer reg, which has 8 elements",
    ),
    "global": (
        flat(Allocate((Buffer("t", (8,), float32),), Store(y, (const(0),), zero))),
        "allocated buffer t is global; make it a parameter",
    ),
    "freed": (
        flat(
            seq(
                Allocate((reg,), Store(reg, (const(0),), zero)),
                Store(y, (const(0),), load(reg, (const(0),))),
            )
        ),
        "reg is neither a parameter nor allocated here",
    ),
}

REFUSED_BLOCKS: dict[str, tuple[Program, str]] = {
    "outside": (flat(For(i, 8, Store(y, (i,), zero))), "y is written outside of every block"),
    "beyond": (
        in_block(i + 1),
        "axis v of block b, bound to i + 1, leaves its range(8) and no predicate guards it",
    ),
    "uncovered": (
        in_block(i // 2),
        "axis v of block b, bound to i // 2, does not cover its range(8)",
    ),
    "loop variable": (in_block(i, Store(y, (i,), zero)), "variable i is not bound here"),
    "init": (
        in_block(i, init=Store(y, (const(0),), zero)),
        "block b has an init but reduces nothing",
    ),
}


def refused(check: Callable[[Program], None], program: Program, reason: str) -> None:
    with pytest.raises(CompileError) as caught:
        check(program)
    assert reason in str(caught.value).partition("\n")[0]
    assert caught.value.text == program.script()


@pytest.mark.parametrize("name", REFUSED_FLAT)
def test_refused_as_flat(name: str) -> None:
    refused(check_flat, *REFUSED_FLAT[name])


@pytest.mark.parametrize("name", REFUSED_BLOCKS)
def test_refused_as_blocks(name: str) -> None:
    refused(check_blocks, *REFUSED_BLOCKS[name])


def test_a_predicate_guards_a_binding() -> None:
    check_blocks(in_block(i * 2, predicate=i * 2 < 8))
