"""Every answer of the engine against the plain enumeration of iterations.

Legal means that enumeration finds no conflict; a refusal carries two iterations that conflict.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.program import Program, Seq, blocks_of
from mlc.schedules.legality import (
    block_violation,
    carried_dependence,
    fission_violation,
    merge_violation,
    order_violation,
    reorder_violation,
    verify,
)
from mlc.schedules.refusal import Refusal

from . import brute_force
from .nests import chains, cuts, neighbours

pytestmark = pytest.mark.unproven  # these programs are wrong on purpose

many = settings(max_examples=120, deadline=None)


def agrees(program: Program, refusal: Refusal | None, is_wrong: bool) -> None:
    assert (refusal is not None) == is_wrong, f"{refusal}\n{program.script()}"
    if refusal is not None:
        assert refusal.proven, refusal
        assert refusal.witness is not None
        assert verify(program, refusal.witness), f"{refusal}\n{program.script()}"


@many
@given(chains())
def test_carried_dependences(drawn: Any) -> None:
    program, chain = drawn
    for loop in chain:
        agrees(
            program,
            carried_dependence(program, loop.var),
            brute_force.is_carried(program, loop.var),
        )


@many
@given(chains(), st.randoms(use_true_random=False))
def test_reordered_loops(drawn: Any, random: Any) -> None:
    program, chain = drawn
    order = [loop.var for loop in chain]
    random.shuffle(order)
    agrees(
        program,
        reorder_violation(program, chain, order),
        brute_force.breaks_when_reordered(program, chain, order),
    )


@many
@given(cuts())
def test_cut_and_swapped_statements(drawn: Any) -> None:
    program, loop, position = drawn
    agrees(
        program,
        fission_violation(program, loop.var, position),
        brute_force.breaks_when_cut(program, loop, position),
    )
    assert isinstance(loop.body, Seq)
    one, two = loop.body.stmts[position - 1 : position + 1]
    agrees(
        program,
        order_violation(program, one, two),
        brute_force.breaks_when_swapped(program, one, two),
    )


@many
@given(neighbours())
def test_merged_loops(drawn: Any) -> None:
    program, first, second = drawn
    agrees(
        program,
        merge_violation(program, first.var, second.var),
        brute_force.breaks_when_merged(program, first, second),
    )


@many
@given(chains())
def test_kinds_of_axes(drawn: Any) -> None:
    program, _ = drawn
    for block in blocks_of(program.body):
        wrong = brute_force.spatial_clash(program, block) or brute_force.reduce_clash(
            program, block
        )
        agrees(program, block_violation(program, block), wrong)
