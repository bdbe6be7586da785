"""Whether native code of an intrinsic does what that means, tried on random operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..build import build
from ..dtypes import boolean
from ..errors import CompileError
from ..ir.expr import const
from ..ir.intrinsic import Intrinsic
from ..ir.program import Block, Buffer, Evaluate, Program, Region

_LARGEST = 4  # whole numbers up to this: sums of products of them are exact


def check_intrinsic(intrinsic: Intrinsic, trials: int, seed: int) -> None:
    """Runs code and meaning on operands inside larger arrays, with other strides in each trial.

    Raises :class:`CompileError` with the first element that differs, be it beside an operand.
    """
    rng = np.random.default_rng(seed)
    for trial in range(trials):
        program = _one_call(intrinsic, rng, plain=trial == 0)
        arrays = [_filled(buffer, rng) for buffer in program.params]
        copies = [[array.copy(order="K") for array in arrays] for _ in range(2)]
        for target, own in zip(("cpu", "interpret"), copies):
            build(program, target=target)(*own)
        for buffer, region, native, meant in zip(program.params, _regions(program), *copies):
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


def _regions(program: Program) -> tuple[Region, ...]:
    assert isinstance(program.body, Block) and isinstance(program.body.body, Evaluate)
    return program.body.body.args  # type: ignore[return-value]


def _one_call(intrinsic: Intrinsic, rng: np.random.Generator, plain: bool) -> Program:
    """One call. Unless ``plain``, each operand lies in a larger array, in which the last dimension
    may be one of its own and the order of dimensions in memory may be turned."""
    params, regions = [], []
    for operand in intrinsic.operands:
        shape, starts, extents = list(operand.shape), [0] * operand.ndim, list(operand.shape)
        if not plain:
            starts = [int(rng.integers(0, 3)) for _ in starts]
            shape = [n + s + int(rng.integers(0, 3)) for n, s in zip(shape, starts)]
            if rng.integers(0, 2):
                shape, starts, extents = [*shape, 3], [*starts, 1], [*extents, 1]
        strides = None
        if not plain and rng.integers(0, 2):
            steps = [1]
            for extent in shape[:-1]:
                steps.append(steps[-1] * extent)
            strides = tuple(steps[: len(shape)])
        buffer = Buffer(operand.name, tuple(shape), operand.dtype, strides)
        params.append(buffer)
        regions.append(Region(buffer, tuple(const(s) for s in starts), tuple(extents)))
    outputs = intrinsic.meaning.outputs
    body = Block(
        intrinsic.name,
        (),
        Evaluate(intrinsic.name, tuple(regions)),
        reads=tuple(regions),
        writes=tuple(regions[len(regions) - outputs :]),
    )
    return Program(intrinsic.name, tuple(params), body, outputs)


def _filled(buffer: Buffer, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    lowest = 0 if buffer.dtype.kind == "u" or buffer.dtype is boolean else -_LARGEST
    values = rng.integers(lowest, _LARGEST + 1, buffer.shape).astype(buffer.dtype.numpy)
    return values if buffer.strides is None else np.asfortranarray(values)
