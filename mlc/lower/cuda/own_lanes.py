"""own_lanes: tiles that a warp holds lane by lane become what each thread holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ...errors import UnsupportedError
from ...ir.expr import Expr, Load, const, load
from ...ir.intrinsic import is_intrinsic
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Scope,
    Stmt,
    Store,
    While,
    map_exprs,
    walk,
)
from ...ir.rewrite import rewrite
from ...schedules.step import rebuild
from .kernel import WARP


def is_by_lane(buffer: Buffer, extents: tuple[int, ...], held: int) -> bool:
    """Whether the tiles of ``buffer`` have a row for each lane, which is what it holds. Lanes are
    those of a warp, or of several that hold a tile together."""
    by_lane = len(extents) > 1 and extents[-1] == held and extents[-2] % WARP == 0
    whole = extents[-2:] == buffer.shape[-2:]
    return buffer.scope is Scope.LOCAL and by_lane and whole and set(extents[:-2]) <= {1}


def own_lanes(program: Program, tiles: Collection[Buffer]) -> Program:
    """``T.call("f", F[i, 0:32, 0:8]); for lane in threadIdx.x(32): F[i, lane, e] = ...`` ->
    ``T.call("f", f[i, 0, 0:8]); for lane in threadIdx.x(32): f[i, 0, e] = ...``

    ``tiles`` are such buffers. Raises :class:`UnsupportedError` where a thread touches what another
    one holds.
    """
    if not tiles:
        return program
    lanes: dict[Expr, int] = {
        loop.var: loop.extent
        for loop in walk(program.body)
        if isinstance(loop, For)
        and loop.kind is LoopKind.BOUND
        and dict(loop.annotations).get("thread") == "threadIdx.x"
    }
    owned = {
        b: Buffer(b.name, (*b.shape[:-2], 1, b.shape[-1]), b.dtype, None, b.scope) for b in tiles
    }
    body = rebuild(program.body, _Owner(program.name, lanes, owned).statement)
    return program.with_body(body)


class _Owner:
    def __init__(
        self, name: str, lanes: Mapping[Expr, int], owned: Mapping[Buffer, Buffer]
    ) -> None:
        self.name = name
        self.lanes = lanes
        self.owned = owned

    def statement(self, stmt: Stmt) -> Stmt | None:
        match stmt:
            case Allocate(buffers=buffers, body=body):
                made = tuple(self.owned.get(b, b) for b in buffers)
                return Allocate(made, rebuild(body, self.statement))
            case Evaluate(name=name, args=args) if is_intrinsic(name):
                return Evaluate(name, tuple(map(self.argument, args)))
            case Store(buffer=buffer):
                done = map_exprs(stmt, self.value)
                assert isinstance(done, Store)
                if buffer not in self.owned:
                    return done
                return Store(self.owned[buffer], self.place(buffer, done.indices), done.value)
            case Accumulate(buffers=buffers):
                for buffer in buffers:
                    if buffer in self.owned:
                        raise self.refusal(buffer)
                return map_exprs(stmt, self.value)
            case If(condition=condition, then=then, otherwise=otherwise):
                other = None if otherwise is None else rebuild(otherwise, self.statement)
                return If(self.value(condition), rebuild(then, self.statement), other)
            case While(condition=condition, body=body):
                body = rebuild(body, self.statement)
                return replace(stmt, condition=self.value(condition), body=body)
        return None

    def value(self, expr: Expr) -> Expr:
        return rewrite(expr, self.load)

    def load(self, node: Expr) -> Expr | None:
        match node:
            case Load(source=source, indices=indices) if source in self.owned:
                return load(self.owned[source], self.place(source, indices))
        return None

    def place(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        *before, lane, element = indices
        if self.lanes.get(lane) != buffer.shape[-2]:
            raise self.refusal(buffer)
        return (*before, const(0), element)

    def argument(self, arg: Expr | Buffer | Region) -> Expr | Buffer | Region:
        if not isinstance(arg, Region) or arg.buffer not in self.owned:
            return arg
        made = self.owned[arg.buffer]
        ones = (1,) * (made.ndim - 1)
        return Region(made, (*arg.starts[:-2], const(0), const(0)), (*ones, made.shape[-1]))

    def refusal(self, buffer: Buffer) -> UnsupportedError:
        return UnsupportedError(
            f"{buffer.name} of {self.name} has a row for each of {_threads(buffer)}, "
            f"which it holds in registers: a statement reads or writes another row, or combines "
            f"into it; index it by the variable of a loop of {buffer.shape[-2]} iterations over "
            f"threadIdx.x"
        )


def _threads(buffer: Buffer) -> str:
    count = buffer.shape[-2]
    return f"the {count} threads of a warp" if count == WARP else f"{count} threads"
