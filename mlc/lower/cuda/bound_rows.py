"""bound_rows: kernels for arrays of any number of rows, told how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from ...dtypes import int64
from ...errors import UnsupportedError
from ...ir.bounds import interval
from ...ir.expr import Const, Expr, Load, Select, Var, apply, cast, const, load, select
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    Region,
    Scope,
    Stmt,
    Store,
    While,
    map_exprs,
    seq,
    walk,
)
from ...ir.rewrite import loads_of, rewrite, substitute
from ...schedules.step import rebuild
from .kernel import BARRIER, DeviceKernel, Thread

Test = tuple[Expr, int]  # the number of a row, and which of the sizes it must be below


@dataclass(frozen=True, eq=False)
class Rows:
    """Extents that stand for sizes: an array with ``numbers[e] == k`` for its first extent ``e``
    has as many rows as element ``k`` of ``sizes`` says, at most ``e``. All other extents are less
    than the least of these."""

    sizes: Buffer
    numbers: Mapping[int, int]

    def number(self, buffer: Buffer) -> int | None:
        """Which size ``buffer`` has, if that is not fixed. Raises :class:`UnsupportedError` for
        arrays whose places depend on one."""
        least = min(self.numbers)
        if all(extent < least for extent in buffer.shape):
            return None
        axis = self.axis(buffer)
        rest = (*buffer.shape[:axis], *buffer.shape[axis + 1 :])
        fixed = all(n < least for n in rest) and prod(buffer.shape[:axis]) == 1
        if not fixed or buffer.shape[axis] not in self.numbers or buffer.strides is not None:
            raise UnsupportedError(f"{buffer.name} depends on the size in more than its rows")
        return self.numbers[buffer.shape[axis]]

    def axis(self, buffer: Buffer) -> int:
        """The axis of rows."""
        return next(d for d, n in enumerate(buffer.shape) if n > 1)


def bound_rows(kernel: DeviceKernel, rows: Rows) -> DeviceKernel:
    """``B[i] = f(A[i])`` -> ``if i < n: B[i] = f(A[i])``, where rows of arrays in global memory
    depend on a size; ``A[i]`` within a select becomes ``select(i < n, A[i], 0)``.

    Rows from ``n`` on hold nothing: what is made of them goes to other such rows alone, so nothing
    is missing. The kernel remembers by which tests all that it writes is bounded. Raises
    :class:`UnsupportedError` where a statement cannot be left out.
    """
    bounder = _Bounder(rows)
    body = rebuild(map_exprs(kernel.body, bounder.held), bounder.statement)
    if not bounder.bounds:
        return replace(kernel, tests=bounder.found())
    held = tuple(bounder.bounds.values())
    first = [Store(b, (), load(rows.sizes, (const(k),))) for k, b in bounder.bounds.items()]
    body = Allocate(held, seq(*first, body))
    params = tuple(dict.fromkeys((*kernel.params, rows.sizes)))
    return replace(kernel, params=params, body=body, tests=bounder.found())


class _Bounder:
    """``bounds`` holds the registers with the sizes that are asked for, by their numbers."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.bounds: dict[int, Buffer] = {}
        self.tests: dict[Test, None] = {}
        self.always = False  # whether anything is written whatever the size

    def found(self) -> tuple[Test, ...] | None:
        return None if self.always else tuple(self.tests)

    def statement(self, stmt: Stmt) -> Stmt | None:
        match stmt:
            case Store(buffer=buffer):
                return self.leaf(stmt, (buffer,), (*stmt.indices, stmt.value))
            case Accumulate():
                return self.leaf(stmt, stmt.buffers, (*stmt.indices, *stmt.values))
            case If(condition=condition):
                return self.branch(stmt, condition)
            case While(condition=condition) if any(self.dynamic(condition)):
                raise UnsupportedError("a loop asks an array that depends on the size when to end")
            case Evaluate(args=args):
                self.call(args)
        return None

    def leaf(
        self, stmt: Store | Accumulate, targets: Sequence[Buffer], exprs: Sequence[Expr]
    ) -> Stmt:
        tests = self.needed(exprs)
        made: Stmt = stmt
        if isinstance(stmt, Store):
            made = replace(
                stmt, indices=tuple(map(self.lazy, stmt.indices)), value=self.lazy(stmt.value)
            )
        else:
            indices, values = (
                tuple(map(self.lazy, stmt.indices)),
                tuple(map(self.lazy, stmt.values)),
            )
            made = replace(stmt, indices=indices, values=values)
        _refuse_kept_places(exprs, [stmt.indices for b in targets if b.scope is Scope.GLOBAL])
        for buffer in targets:
            if buffer.scope is not Scope.GLOBAL:
                continue
            number = self.rows.number(buffer)
            if number is None:
                self.always = True
                continue
            test = (stmt.indices[self.rows.axis(buffer)], number)
            self.tests[test] = None
            tests[test] = None
        return self.within(tests, made)

    def branch(self, stmt: If, condition: Expr) -> Stmt | None:
        tests = self.needed((condition,))
        lazy = self.lazy(condition)
        if not tests and lazy is condition:
            return None
        if tests and any(isinstance(s, Evaluate) and s.name == BARRIER for s in walk(stmt)):
            raise UnsupportedError("threads wait under a condition that depends on the size")
        other = None if stmt.otherwise is None else rebuild(stmt.otherwise, self.statement)
        return self.within(tests, If(lazy, rebuild(stmt.then, self.statement), other))

    def call(self, args: Sequence[Expr | Buffer | Region]) -> None:
        for arg in args:
            if isinstance(arg, Expr) and any(self.dynamic(arg)):
                raise UnsupportedError("an intrinsic reads an array that depends on the size")
            buffer = arg.buffer if isinstance(arg, Region) else arg
            if isinstance(buffer, Buffer) and buffer.scope is Scope.GLOBAL:
                if self.rows.number(buffer) is not None:
                    raise UnsupportedError(f"an intrinsic takes {buffer.name} as it lies")
                self.always = True

    def within(self, tests: Mapping[Test, None], stmt: Stmt) -> Stmt:
        for index, number in tests:
            stmt = If(self.below(index, number), stmt)
        return stmt

    def size(self, number: int) -> Expr:
        """A size, which a register holds."""
        held = self.bounds.get(number)
        if held is None:
            held = Buffer(f"n{number}", (), int64, None, Scope.REGISTER)
            self.bounds[number] = held
        return load(held, ())

    def below(self, index: Expr, number: int) -> Expr:
        return apply("lt", index, self.size(number))

    def held(self, expr: Expr) -> Expr:
        """``expr`` with sizes from registers."""

        def rule(node: Expr) -> Expr | None:
            match node:
                case Load(source=self.rows.sizes, indices=(Const(value=number),)):
                    return self.size(int(number))
            return None

        return rewrite(expr, rule, {})

    def dynamic(self, expr: Expr) -> Iterator[Load]:
        """The loads of rows in ``expr``."""
        for node in loads_of(expr):
            if self.test(node) is not None:
                yield node

    def test(self, node: Load) -> Test | None:
        buffer = node.source
        if not isinstance(buffer, Buffer) or buffer.scope is not Scope.GLOBAL:
            return None
        number = self.rows.number(buffer)
        return None if number is None else (node.indices[self.rows.axis(buffer)], number)

    def needed(self, exprs: Sequence[Expr]) -> dict[Test, None]:
        """What must hold for the loads that are made whatever the values are."""
        found: dict[Test, None] = {}
        for node in _unconditional(exprs):
            test = self.test(node)
            if test is not None:
                found[test] = None
        return found

    def lazy(self, expr: Expr) -> Expr:
        """``expr``, in which loads that a select may leave out are made where there is a row."""
        always = set(_unconditional((expr,)))
        if all(node in always for node in self.dynamic(expr)):
            return expr

        def rule(node: Expr) -> Expr | None:
            match node:
                case Select(condition=outer, then=Select(condition=inner, then=then)) if (
                    inner is outer
                ):
                    return select(outer, then, node.otherwise)
            test = self.test(node) if isinstance(node, Load) and node not in always else None
            if test is None:
                return None
            return select(self.below(*test), node, cast(const(0), node.dtype))

        return rewrite(expr, rule, {})


def _refuse_kept_places(exprs: Sequence[Expr], written: Sequence[Sequence[Expr]]) -> None:
    """Places in global memory that come from the memory of threads: rows that are none have left
    anything there. Raises :class:`UnsupportedError`."""
    places = [index for each in written for index in each]
    for expr in exprs:
        for node in loads_of(expr):
            if isinstance(node.source, Buffer) and node.source.scope is Scope.GLOBAL:
                places += node.indices
    for index in places:
        for node in loads_of(index):
            if node.source.scope is not Scope.GLOBAL:
                raise UnsupportedError(f"{node.source.name} holds places, for its threads alone")


def _unconditional(exprs: Sequence[Expr]) -> Iterator[Load]:
    """Loads outside of what selects choose from."""
    pending, seen = list(exprs), set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Load):
            yield node
        pending += [node.condition] if isinstance(node, Select) else node.children


def grid_for(kernel: DeviceKernel, values: Sequence[int]) -> tuple[int, int, int]:
    """The blocks by x, y, z that have anything to do where the sizes are ``values``: for any more,
    all that the kernel writes is out of bounds."""
    if kernel.tests is None:
        return kernel.grid
    ranges = {**kernel.ranges}
    ranges.update((s.var, s.extent) for s in walk(kernel.body) if isinstance(s, For))
    found = {t.tag: _needed(t, kernel.tests, ranges, values) for t in kernel.threads if t.is_block}
    x, y, z = (found.get(f"blockIdx.{d}", 1) for d in "xyz")
    return x, y, z


def _needed(
    thread: Thread, tests: Sequence[Test], ranges: dict[Var, int], values: Sequence[int]
) -> int:
    later = Var(thread.var.name)

    def idle(first: int) -> bool:
        """Whether blocks from number ``first`` on write nothing."""
        known = {**ranges, later: thread.extent - first}
        for index, number in tests:
            moved = substitute(index, {thread.var: later + first})
            if interval(moved, known)[0] < values[number]:
                return False
        return True

    low, high = 1, thread.extent
    while low < high:
        middle = (low + high) // 2
        if idle(middle):
            high = middle
        else:
            low = middle + 1
    return low
