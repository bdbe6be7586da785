"""The numbers of an attention kernel that a schedule may choose: rows of a warp, keys of a tile,
warps of a block, tiles that come ahead, parts that the keys are cut into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...errors import ScheduleError
from ...ir.grids import MOST_SHARED, Knob, knob
from ...ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    Program,
    Region,
    Scope,
    Stmt,
    children_of,
    reads_of,
    walk,
    writes_of,
)

if TYPE_CHECKING:
    from .kernel import AttentionKernel

_ROOM = {"sm_80": 163 << 10, "sm_90a": 227 << 10}  # bytes of shared memory of a block
_PARTS = (1, 2, 4, 8, 16, 32, 64)


def knobs_of(kernel: AttentionKernel) -> tuple[Knob, ...]:
    """What ``kernel``, made without anything chosen, leaves open."""
    found, k = kernel.found, kernel
    made = []
    rows = {"registers": (8, 16), "fragments": (16, 32)}
    if k.splits == 1:  # else one block has all rows
        if k.kind in rows:
            made.append(knob("rows", rows[k.kind], k.own))
        most = -(-found.row.extent // k.own)
        warps = (1, 2) if k.kind == "groups" else (1, 2, 4, 8)
        made.append(knob("warps", tuple(n for n in warps if n <= most), k.warps))
    if k.kind != "groups":
        made.append(knob("keys", (32, 64, 128), k.width))
    ahead = {"groups": (1, 2, 3), "fragments": (0, 1, 2, 3), "tensor cores": (0, 1)}
    if k.kind in ahead:
        made.append(knob("ahead", ahead[k.kind], k.ahead))
    if k.splits > 1:
        most = found.key.extent // k.width
        made.append(knob("parts", tuple(n for n in _PARTS if n <= most), k.splits))
    return tuple(made)


def check_room(program: Program, architecture: str) -> None:
    """ScheduleError where a block of ``program`` needs more shared memory than those of
    ``architecture`` have, or of any card if that is ""."""
    needed, room = _shared(program.body), _ROOM.get(architecture, MOST_SHARED)
    if needed > room:
        raise ScheduleError(
            f"{program.name} so needs {needed} bytes of shared memory, and a block has {room} on "
            f"{architecture or 'every card'}; choose fewer keys, warps, or tiles ahead"
        )


def _shared(stmt: Stmt, held: Mapping[Buffer, int] = {}) -> int:
    """Bytes of shared memory that are in use at once in ``stmt``; loops that run ahead hold what
    they fill several times, as ``held`` says."""
    own = 0
    if isinstance(stmt, Allocate):
        shared = [b for b in stmt.buffers if b.scope is Scope.SHARED]
        own = sum(_bytes(b) * held.get(b, 1) for b in shared)
    elif isinstance(stmt, For):
        held = {**held, **_copies(stmt)}
    return own + max((_shared(child, held) for child in children_of(stmt)), default=0)


def _copies(loop: For) -> dict[Buffer, int]:
    """How many iterations have an element of their own of what a loop fills ahead."""
    stages = dict(loop.annotations).get("software_pipeline_stage", ())
    body = loop.body
    while isinstance(body, Allocate):
        body = body.body
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for stage, stmt in zip(stages, children_of(body), strict=False):
        for buffer in _touched(stmt):
            first.setdefault(buffer, stage)
            last[buffer] = stage
    return {buffer: last[buffer] - stage + 1 for buffer, stage in first.items()}


def _touched(stmt: Stmt) -> set[Buffer]:
    found = {buffer for buffer, _ in writes_of(stmt)} | {node.source for node in reads_of(stmt)}
    calls = [node.args for node in walk(stmt) if isinstance(node, Evaluate)]
    return found | {arg.buffer for args in calls for arg in args if isinstance(arg, Region)}


def _bytes(buffer: Buffer) -> int:
    steps = zip(buffer.shape, buffer.element_strides, strict=True)
    return (1 + sum((n - 1) * s for n, s in steps)) * buffer.dtype.itemsize
