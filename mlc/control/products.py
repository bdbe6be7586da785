"""Products of matrices inside of loops: tiled and packed as they would be outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..backends.llvm.target import host_target
from ..ir.program import Allocate, Buffer, For, If, LoopKind, Program, Seq, Stmt, seq
from ..ir.rewrite import loads_of
from ..lower.bind_blocks import bind_blocks
from ..lower.replace_buffers import Place, replace_buffers
from ..runtime.threads import available_cpus
from ..schedules.defaults.contraction import find_roles
from ..schedules.defaults.cpu import default_schedule
from ..schedules.defaults.machine import machine_of
from ..te.program import Nest
from ..te.tensor import Compute, Tensor

_LEAST = 1 << 10  # multiplications for which register tiles pay
_PACKED = 1 << 15  # and copies of operands
_SHARED = 1 << 20  # and threads


def scheduled_product(
    op: Compute, tensors: Sequence[Tensor]
) -> tuple[Program, tuple[Tensor, ...]] | None:
    """The scheduled program of a product of some size, and the scratch tensors among its params
    (inputs, scratch, outputs); None for all else."""
    root = op.reduction
    if root is None or len(tensors) != len(op.body):
        return None
    extents = [axis.extent for axis in (*op.axes, *root.axes)]
    work = math.prod(n for n in extents if type(n) is int)
    if not all(type(n) is int for n in extents) or work < _LEAST:
        return None
    if not all(isinstance(n.source, Tensor) for value in root.values for n in loads_of(value)):
        return None
    nest = Nest(tuple(tensors), op)
    if find_roles(nest) is None:
        return None
    machine = machine_of(host_target(), available_cpus() if work >= _SHARED else 1)
    machine = replace(machine, past_bytes=0)
    done = default_schedule("product", [nest], 0, tuple(dict.fromkeys(op.inputs)), tensors, machine)
    if done.scratch and work < _PACKED:
        return None
    program = bind_blocks(done.program)
    if work < _SHARED:
        program = replace(program, body=_serial(program.body))
    return program, done.scratch


def with_places(program: Program, places: Mapping[Buffer, Buffer]) -> Stmt:
    """The body of a program over other buffers."""
    return replace_buffers(program.body, {old: Place(new) for old, new in places.items()})


def _serial(stmt: Stmt) -> Stmt:
    match stmt:
        case For():
            kind = LoopKind.SERIAL if stmt.kind is LoopKind.PARALLEL else stmt.kind
            return replace(stmt, body=_serial(stmt.body), kind=kind)
        case Seq(stmts=stmts):
            return seq(*map(_serial, stmts))
        case Allocate():
            return replace(stmt, body=_serial(stmt.body))
        case If():
            other = None if stmt.otherwise is None else _serial(stmt.otherwise)
            return replace(stmt, then=_serial(stmt.then), otherwise=other)
    return stmt
