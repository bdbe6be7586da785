"""share_fragments: tiles that a warp holds together become the part that each thread holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...errors import UnsupportedError
from ...intrinsics.wgmma import PANELS
from ...ir.affine import Sum, as_sum
from ...ir.expr import Expr, const
from ...ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, kept_dimensions
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Region,
    Scope,
    Stmt,
    Store,
    expressions_of,
    walk,
)
from ...ir.rewrite import loads_of, variables_of
from ...schedules.step import rebuild
from .own_lanes import is_by_lane, own_lanes

Tile = tuple[tuple[int, ...], int]  # the extents of a region, and how much of it a thread holds


def share_fragments(program: Program) -> Program:
    """``T.call("mma", F[i * 16:i * 16 + 16, 0:16], ...)`` -> ``T.call("mma", f[i, 0, 0:8], ...)``
    where each thread of a warp holds 8 elements of ``F``; ``f`` is memory of its own. Tiles of a
    row for each lane are for :func:`own_lanes`.

    Blocks are gone already. Sums of four warps lie in panels of columns, one after the other, so
    that a call may take some of the columns that another has made. Raises
    :class:`UnsupportedError` where anything but a call touches such a buffer, where calls cut it
    into tiles of several kinds otherwise, and where a tile begins elsewhere than at a multiple of
    its extents.
    """
    tiles, in_panels = _tiles(program)
    by_lane = [b for b, tile in tiles.items() if is_by_lane(b, *tile)]
    program = own_lanes(program, by_lane)
    for buffer in by_lane:
        del tiles[buffer]
    if not tiles:
        return program
    _refuse_touches(program, tiles)
    shares: dict[Buffer, Buffer] = {}
    for buffer, (extents, held) in tiles.items():
        counts = tuple(-(-n // e) for n, e in zip(buffer.shape, extents, strict=True))
        if buffer in in_panels:
            shape = (*counts[:-1], counts[-1] * held)
        else:
            shape = (*counts, held)
        shares[buffer] = Buffer(buffer.name, shape, buffer.dtype, None, Scope.LOCAL)

    def on(stmt: Stmt) -> Stmt | None:
        match stmt:
            case Allocate(buffers=buffers, body=body) if not tiles.keys().isdisjoint(buffers):
                made = tuple(shares.get(b, b) for b in buffers)
                return Allocate(made, rebuild(body, on))
            case Evaluate(name=name, args=args) if is_intrinsic(name):
                return Evaluate(name, tuple(map(argument, args)))
        return None

    def argument(arg: Expr | Buffer | Region) -> Expr | Buffer | Region:
        if not isinstance(arg, Region) or arg.buffer not in tiles:
            return arg
        extents, held = tiles[arg.buffer]
        if arg.buffer in in_panels:
            held = held * arg.extents[-1] // extents[-1]
            extents = arg.extents
        starts = tuple(_tile(program, arg, d, extent) for d, extent in enumerate(extents))
        ones = (1,) * len(starts)
        if arg.buffer in in_panels:
            whole = (*starts[:-1], starts[-1] * held)
            return Region(shares[arg.buffer], whole, (*ones[:-1], held))
        return Region(shares[arg.buffer], (*starts, const(0)), (*ones, held))

    return program.with_body(rebuild(program.body, on))


def together(stmt: Stmt) -> Intrinsic | None:
    """An intrinsic that several threads do together, if ``stmt`` holds a call of one."""
    for node in walk(stmt):
        if isinstance(node, Evaluate) and is_intrinsic(node.name):
            found = intrinsic_named(node.name)
            if found.threads > 1 and "cuda" in found.implementations:
                return found
    return None


def unroll_over_fragments(stmt: Stmt) -> Stmt:
    """``for i: T.call("mma", f[i, 0:8], ...)`` -> ``for i in unrolled: ...``: which register it is
    must be known when the kernel is compiled."""
    used = {
        var
        for call, intrinsic in _calls(stmt)
        for operand, region in zip(intrinsic.operands, call.args, strict=True)
        if operand.name in intrinsic.held and isinstance(region, Region)
        for start in region.starts
        for var in variables_of(start)
    }

    def on(node: Stmt) -> Stmt | None:
        match node:
            case For(var=var, kind=LoopKind.SERIAL) if var in used:
                return replace(node, kind=LoopKind.UNROLLED, body=rebuild(node.body, on))
        return None

    return rebuild(stmt, on) if used else stmt


def check_rows(body: Stmt, name: str) -> None:
    """Raises :class:`UnsupportedError` where a call needs rows at certain addresses and they are
    not proven to be there."""
    for call, intrinsic in _calls(body):
        for operand, region in zip(intrinsic.operands, call.args, strict=True):
            step = intrinsic.rows.get(operand.name)
            if step is None:
                continue
            assert isinstance(region, Region)
            buffer, size = region.buffer, region.buffer.dtype.itemsize
            strides = buffer.element_strides
            *outer, last = kept_dimensions(region.extents) or (buffer.ndim - 1,)
            place = Sum((), 0)
            for start, stride in zip(region.starts, strides, strict=True):
                place = place.plus(as_sum(start), stride)
            steps = [place.constant, *(c for _, c in place.terms), *(strides[d] for d in outer)]
            if strides[last] != 1:
                raise UnsupportedError(
                    f"{intrinsic.name} reads rows of {buffer.name} in {name} whose elements are "
                    f"{strides[last]} apart, and they must be neighbours; give the copy the "
                    f"other order of dimensions"
                )
            if any(n * size % step for n in steps) or not buffer.aligned:
                raise UnsupportedError(
                    f"{intrinsic.name} reads rows of {buffer.name} in {name} that begin at "
                    f"multiples of {size} bytes, and of {step} they must; pad the rows with "
                    f"storage_align(..., {step // size})"
                )


def _calls(stmt: Stmt) -> Iterator[tuple[Evaluate, Intrinsic]]:
    for node in walk(stmt):
        if isinstance(node, Evaluate) and is_intrinsic(node.name):
            yield node, intrinsic_named(node.name)


def _tiles(program: Program) -> tuple[dict[Buffer, Tile], frozenset[Buffer]]:
    """What is held in parts, each with its tiles, which all calls agree about; and that of which
    calls take more columns and fewer, with its narrowest tile."""
    seen: dict[Buffer, tuple[Tile, str]] = {}
    in_panels: set[Buffer] = set()
    for call, intrinsic in _calls(program.body):
        if "cuda" not in intrinsic.implementations:
            continue
        for operand, region in zip(intrinsic.operands, call.args, strict=True):
            if operand.name not in intrinsic.held:
                continue
            assert isinstance(region, Region)
            buffer = region.buffer
            if buffer in program.params:
                raise UnsupportedError(
                    f"{intrinsic.name} holds operand {operand.name} in registers, and "
                    f"{buffer.name} is a parameter of {program.name}; copy it into scope "
                    f"{operand.scope.value!r} first"
                )
            tile = region.extents, intrinsic.held[operand.name]
            known, first = seen.setdefault(buffer, (tile, intrinsic.name))
            if known != tile and _are_panels(buffer, known, tile):
                in_panels.add(buffer)
                seen[buffer] = (min(known, tile), first)
            elif known != tile:
                raise UnsupportedError(
                    f"{first} and {intrinsic.name} spread {buffer.name} of {program.name} over a "
                    f"warp in tiles of {known[0]} and {tile[0]}; use intrinsics of one family"
                )
    return {buffer: tile for buffer, (tile, _) in seen.items()}, frozenset(in_panels)


def _are_panels(buffer: Buffer, one: Tile, other: Tile) -> bool:
    """Whether one of two tiles is made of several of the other, whose parts a thread holds one
    after the other."""
    (*rows, few), held = min(one, other)
    (*same, many), all_held = max(one, other)
    in_order = buffer.scope.value == PANELS and rows == same and many % few == 0
    return in_order and held * (many // few) == all_held


def _refuse_touches(program: Program, tiles: dict[Buffer, Tile]) -> None:
    held = {
        id(region)
        for call, intrinsic in _calls(program.body)
        for operand, region in zip(intrinsic.operands, call.args, strict=True)
        if operand.name in intrinsic.held
    }
    for node in walk(program.body):
        touched = {load.source for e in expressions_of(node) for load in loads_of(e)}
        match node:
            case Store(buffer=buffer):
                touched.add(buffer)
            case Accumulate(buffers=buffers):
                touched.update(buffers)
            case Evaluate(args=args):
                touched = {a.buffer for a in args if isinstance(a, Region) and id(a) not in held}
        for buffer in touched & tiles.keys():
            raise UnsupportedError(
                f"{buffer.name} of {program.name} is spread over the registers of a warp, in "
                f"scope {buffer.scope.value!r}, and read or written there by its elements; "
                f"tensorize those loops as well, or copy it to shared memory first"
            )


def _tile(program: Program, region: Region, d: int, extent: int) -> Expr:
    """The number of the tile that a region is, along dimension ``d``."""
    total = as_sum(region.starts[d])
    if any(n % extent for n in (total.constant, *(c for _, c in total.terms))):
        raise UnsupportedError(
            f"a tile of {region.buffer.name} of {program.name} begins at {region.starts[d]!r} in "
            f"dimension {d}, which is no multiple of {extent}: threads could not tell which of "
            f"them holds what; split that loop by {extent}"
        )
    terms = tuple((atom, c // extent) for atom, c in total.terms)
    return Sum(terms, total.constant // extent).expr()
