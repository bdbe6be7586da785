"""Whether native code of an intrinsic does what that means, tried on random operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..build import build
from ..dtypes import boolean
from ..errors import ArgumentError, CompileError
from ..ir.expr import Var, const, load
from ..ir.intrinsic import Intrinsic
from ..ir.program import (
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Region,
    Scope,
    Stmt,
    Store,
    seq,
)

_LARGEST = 4  # whole numbers up to this: sums of products of them are exact


def check_intrinsic(intrinsic: Intrinsic, trials: int, seed: int) -> None:
    """Runs code and meaning on operands inside larger arrays, with other strides in each trial;
    CUDA C is emulated.

    Raises :class:`CompileError` with the first element that differs, be it beside an operand.
    """
    rng = np.random.default_rng(seed)
    targets = [] if intrinsic.implementations.keys() == {"cuda"} else ["cpu"]
    if "cuda" in intrinsic.implementations:
        _refuse_held(intrinsic)
        targets.append("cuda-emulated")
    for trial in range(trials):
        program, regions = _one_call(intrinsic, rng, plain=trial == 0)
        arrays = [_filled(buffer, rng) for buffer in program.params]
        meant = [array.copy(order="K") for array in arrays]
        build(program, target="interpret")(*meant)
        for target in targets:
            own = [array.copy(order="K") for array in arrays]
            build(_on_card(program, intrinsic) if target != "cpu" else program, target=target)(*own)
            _compare(intrinsic, program, regions, own, meant)


def _compare(
    intrinsic: Intrinsic,
    program: Program,
    regions: Sequence[Region],
    made: Sequence[np.ndarray[Any, Any]],
    wanted: Sequence[np.ndarray[Any, Any]],
) -> None:
    for buffer, region, native, meant in zip(program.params, regions, made, wanted):
        same = (native == meant) | ((native != native) & (meant != meant))
        if same.all():
            continue
        at = tuple(int(i) for i in np.argwhere(~same)[0])
        starts = [int(s.value) for s in region.starts]  # type: ignore[attr-defined]
        box = ", ".join(f"{s}:{s + n}" for s, n in zip(starts, region.extents))
        strides = ", ".join(f"{b.name} {list(b.element_strides)}" for b in program.params)
        raise CompileError(
            f"the code of intrinsic {intrinsic.name} makes {buffer.name}{list(at)} "
            f"{native[at]}, its meaning makes it {meant[at]}; the operand is "
            f"{buffer.name}[{box}], the strides in memory are {strides}",
            intrinsic.meaning.script(),
        )


def _refuse_held(intrinsic: Intrinsic) -> None:
    """What threads hold is made and taken by other calls: it cannot be tried alone."""
    if intrinsic.held:
        raise ArgumentError(
            f"threads hold {', '.join(intrinsic.held)} of intrinsic {intrinsic.name} in registers, "
            f"which other calls fill and store: check() cannot try it alone; build a program of "
            f"all of them with target='cuda-emulated', and compare it with target='interpret'"
        )


def _one_call(
    intrinsic: Intrinsic, rng: np.random.Generator, plain: bool
) -> tuple[Program, tuple[Region, ...]]:
    """One call. Unless ``plain``, each operand lies in a larger array, in which the last dimension
    may be one of its own and the order of dimensions in memory may be turned; but not those whose
    rows must begin in certain places."""
    params, regions = [], []
    for operand in intrinsic.operands:
        shape, starts, extents = list(operand.shape), [0] * operand.ndim, list(operand.shape)
        free = not plain and operand.name not in intrinsic.rows
        if free:
            starts = [int(rng.integers(0, 3)) for _ in starts]
            shape = [n + s + int(rng.integers(0, 3)) for n, s in zip(shape, starts)]
            if rng.integers(0, 2):
                shape, starts, extents = [*shape, 3], [*starts, 1], [*extents, 1]
        strides = None
        if free and rng.integers(0, 2):
            steps = [1]
            for extent in shape[:-1]:
                steps.append(steps[-1] * extent)
            strides = tuple(steps[: len(shape)])
        buffer = Buffer(operand.name, tuple(shape), operand.dtype, strides)
        params.append(buffer)
        regions.append(Region(buffer, tuple(const(s) for s in starts), tuple(extents)))
    body = _call(intrinsic, regions)
    program = Program(intrinsic.name, tuple(params), body, intrinsic.meaning.outputs)
    return program, tuple(regions)


def _call(intrinsic: Intrinsic, regions: Sequence[Region]) -> Block:
    written = tuple(regions[len(regions) - intrinsic.meaning.outputs :])
    call = Evaluate(intrinsic.name, tuple(regions))
    return Block(intrinsic.name, (), call, reads=tuple(regions), writes=written)


def _on_card(program: Program, intrinsic: Intrinsic) -> Program:
    """The call by the threads of a block, and operands where they must lie: whole arrays are
    copied to other memory first, and back."""
    call = program.body
    assert isinstance(call, Block) and isinstance(call.body, Evaluate)
    near: list[Buffer] = []
    before: list[Stmt] = []
    after: list[Stmt] = []
    regions: list[Region] = []
    for operand, region in zip(intrinsic.operands, call.body.args, strict=True):
        assert isinstance(region, Region)
        if operand.scope is not Scope.GLOBAL:
            far = region.buffer
            copy = Buffer(f"{far.name}_near", far.shape, far.dtype, far.strides, operand.scope)
            near.append(copy)
            before.append(_copied(far, copy))
            if operand in intrinsic.written:
                after.append(_copied(copy, far))
            region = Region(copy, region.starts, region.extents)
        regions.append(region)
    body: Stmt = seq(*before, _call(intrinsic, regions), *after)
    if near:
        body = Allocate(tuple(near), body)
    body = For(Var("bx"), 1, body, LoopKind.BOUND, (("thread", "blockIdx.x"),))
    return program.with_body(body)


def _copied(source: Buffer, target: Buffer) -> Stmt:
    loops = [Var(f"i{d}") for d in range(source.ndim)]
    body: Stmt = Store(target, tuple(loops), load(source, tuple(loops)))
    for var, extent in reversed(list(zip(loops, source.shape))):
        body = For(var, extent, body)
    return body


def _filled(buffer: Buffer, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    lowest = 0 if buffer.dtype.kind == "u" or buffer.dtype is boolean else -_LARGEST
    values = rng.integers(lowest, _LARGEST + 1, buffer.shape).astype(buffer.dtype.numpy)
    return values if buffer.strides is None else np.asfortranarray(values)
