"""Equality of programs up to names: a normal text in which all names are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError
from .combiner import Combiner
from .expr import Apply, Axis, Cast, Const, Expr, Load, Reduce, Select, Var
from .intrinsic import intrinsic_named, is_intrinsic
from .program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    While,
)
from .show import print_program
from .simplify import simplify


def structural_key(program: Program) -> str:
    """A text that two programs share just when they differ in names alone.

    Variables and buffers are numbered in order of appearance. The names of program and blocks and
    the user's lines are left out; everything that steers code generation is in.
    """
    return "\n".join(_Normal(program).lines)


def assert_structural_equal(actual: Any, expected: Any) -> None:
    """Raises AssertionError, which shows the first difference, unless the programs are the same
    up to names.

    Takes programs, schedules (of which their programs count), and modules: those must hold equal
    programs under the same names.
    """
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        _assert_modules_equal(actual, expected)
        return
    actual, expected = _program_of(actual, "the first"), _program_of(expected, "the second")
    left, right = _Normal(actual), _Normal(expected)
    if left.lines == right.lines:
        return
    pairs = zip(left.lines, right.lines)
    first = next(
        (n for n, (a, b) in enumerate(pairs) if a != b), min(len(left.lines), len(right.lines))
    )
    raise AssertionError(
        "the programs differ, first here:\n"
        f"  actual:   {_line(actual, left, first)}\n"
        f"  expected: {_line(expected, right, first)}"
    )


def _program_of(value: Any, which: str) -> Program:
    found = value if isinstance(value, Program) else getattr(value, "program", None)
    if hasattr(value, "specialize"):
        raise ArgumentError(
            f"assert_structural_equal compares programs, and {which} is a template; choose its "
            f"sizes: {value.name}.at({value.dims[0]}=64{', ...' if len(value.dims) > 1 else ''})"
        )
    if not isinstance(found, Program):
        raise ArgumentError(
            f"assert_structural_equal compares programs, schedules or modules; {which} is "
            f"{type(value).__name__}"
        )
    return found


def _assert_modules_equal(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    if list(actual) != list(expected):
        raise AssertionError(
            f"the modules hold different programs: actual {', '.join(actual) or 'none'}; "
            f"expected {', '.join(expected) or 'none'}"
        )
    for name in actual:
        if actual[name] is expected[name]:
            continue
        try:
            assert_structural_equal(actual[name], expected[name])
        except AssertionError as difference:
            raise AssertionError(f"in {name}: {difference}") from None


def _line(program: Program, normal: _Normal, number: int) -> str:
    """The source line that the normal line ``number`` stands for."""
    if number >= len(normal.lines):
        return "(nothing: the program ends here)"
    stmt = normal.owners[number]
    source = print_program(program)
    if stmt is None:
        header = [line.strip() for line in source.lines]
        start = next(n for n, line in enumerate(header) if line.startswith("def "))
        end = next(n for n, line in enumerate(header) if n >= start and line.endswith("):"))
        return " ".join(header[max(start - 1, 0) : end + 1])
    start = source.starts[stmt]
    indent = len(source.lines[start]) - len(source.lines[start].lstrip())
    kept = [source.lines[start].strip()]
    if isinstance(stmt, (Store, Accumulate)):
        # what such a statement shares within itself is written on lines before its own
        stop = min((s for s in source.starts.values() if s > start), default=len(source.lines))
        kept = [t.strip() for t in source.lines[start:stop] if len(t) - len(t.lstrip()) == indent]
    return f"line {start + 1}: " + "; ".join(kept)


class _Normal:
    """The normal form as lines, with the statement each belongs to."""

    def __init__(self, program: Program) -> None:
        self.lines: list[str] = []
        self.owners: list[Stmt | None] = []
        self.numbers: dict[Any, int] = {}
        self.count = 0
        self.combiners: dict[Combiner, str] = {}
        shown = sorted((k, v) for k, v in program.attrs.items() if k != "location")
        attrs = "".join(f" {k}={v!r}" for k, v in shown)
        self.emit(f"program out={program.outputs}{attrs}", None)
        for buffer in program.params:
            self.declare(buffer, None)
        self.statement(program.body)

    def emit(self, text: str, owner: Stmt | None) -> None:
        self.lines.append(text)
        self.owners.append(owner)

    def declare(self, buffer: Buffer, owner: Stmt | None) -> None:
        strides = "" if buffer.strides is None else f" strides={buffer.strides}"
        aligned = "" if buffer.aligned else " unaligned"
        kind = f"{buffer.dtype.name}{buffer.shape} {buffer.scope.value}{strides}{aligned}"
        self.emit(f"buffer b{self.number(buffer)}: {kind}", owner)

    def number(self, thing: Any) -> int:
        """The number of a buffer or variable; the next free one on first sight."""
        found = self.numbers.get(thing)
        if found is None:
            found = self.numbers[thing] = self.count
            self.count += 1
        return found

    def forget(self, *things: Any) -> None:
        """What is bound here is new, so that equal scopes over one or two objects agree."""
        for thing in things:
            self.numbers.pop(thing, None)

    def statement(self, stmt: Stmt) -> None:
        match stmt:
            case Store(buffer=buffer, indices=indices, value=value):
                text = self.exprs((*indices, value))
                self.emit(f"b{self.number(buffer)} = {text}", stmt)
            case Accumulate(combiner=combiner, buffers=buffers, indices=indices, values=values):
                targets = " ".join([f"b{self.number(b)}" for b in buffers])
                text = self.exprs((*indices, *values))
                self.emit(f"{targets} {self.combiner(combiner)}= {text}", stmt)
            case Seq(stmts=stmts):
                for part in stmts:
                    self.statement(part)
            case For(var=var, extent=extent, kind=kind, annotations=hints):
                self.forget(var)
                note = f" {sorted(hints)!r}" if hints else ""
                self.emit(f"for v{self.number(var)} {extent} {kind.value}{note}", stmt)
                self.statement(stmt.body)
                self.emit("end", stmt)
            case Block(iters=iters, body=body, init=init, predicate=predicate):
                bindings = self.exprs(tuple(it.binding for it in iters))
                self.forget(*(it.axis for it in iters))
                axes = " ".join(
                    f"v{self.number(it.axis)}:{it.axis.extent}{'R' if it.axis.is_reduce else 'S'}"
                    for it in iters
                )
                guard = "" if predicate is None else f" if {self.exprs((predicate,))}"
                note = f" {sorted(stmt.annotations)!r}" if stmt.annotations else ""
                self.emit(f"block {axes} = {bindings}{guard}{note}", stmt)
                for word, regions in (("reads", stmt.reads), ("writes", stmt.writes)):
                    if regions is not None:
                        self.emit(f"{word} {', '.join(map(self.region, regions))}", stmt)
                if init is not None:
                    self.emit("init", stmt)
                    self.statement(init)
                self.emit("do", stmt)
                self.statement(body)
                self.emit("end", stmt)
            case Allocate(buffers=buffers, body=body):
                self.forget(*buffers)
                for buffer in buffers:
                    self.declare(buffer, stmt)
                while isinstance(body, Allocate):  # one after the other is as all at once
                    self.forget(*body.buffers)
                    for buffer in body.buffers:
                        self.declare(buffer, body)
                    body = body.body
                self.statement(body)
                self.emit("free", stmt)
            case While(condition=condition, body=body):
                self.emit(f"while {self.exprs((condition,))}", stmt)
                self.statement(body)
                self.emit("end", stmt)
            case If(condition=condition, then=then, otherwise=otherwise):
                self.emit(f"if {self.exprs((condition,))}", stmt)
                self.statement(then)
                if otherwise is not None:
                    self.emit("else", stmt)
                    self.statement(otherwise)
                self.emit("end", stmt)
            case Evaluate(name=name, args=args):
                known = f" = {intrinsic_named(name).key!r}" if is_intrinsic(name) else ""
                self.emit(f"call {name!r} {', '.join(map(self.argument, args))}{known}", stmt)

    def argument(self, arg: Expr | Buffer | Region) -> str:
        match arg:
            case Region():
                return self.region(arg)
            case Expr():
                return self.exprs((arg,))
            case _:
                return f"b{self.number(arg)}"

    def region(self, region: Region) -> str:
        starts = self.exprs(tuple(map(simplify, region.starts)))
        return f"b{self.number(region.buffer)}[{starts} by {region.extents}]"

    def exprs(self, roots: tuple[Expr, ...]) -> str:
        """``roots`` as a list of nodes, each once, that refer to each other by position."""
        at: dict[Expr, str] = {}
        out: list[str] = []
        stack = list(roots)
        stack.reverse()
        numbers = self.numbers
        while stack:
            node = stack[-1]
            if node in at:
                stack.pop()
                continue
            kind = type(node)
            if kind is Var or kind is Axis:
                at[node] = f"v{self.number(node)}"
                stack.pop()
                continue
            if kind is Const:
                at[node] = f"{node.value!r}:{node.dtype.name}"  # type: ignore[attr-defined]
                stack.pop()
                continue
            children = node.children
            missing = [child for child in children if child not in at]
            if missing:
                missing.reverse()
                stack += missing
                continue
            stack.pop()
            args = " ".join([at[child] for child in children])
            if kind is Load:
                source = node.source  # type: ignore[attr-defined]
                number = numbers.get(source)
                if number is None:
                    number = self.number(source)
                text = f"b{number}[{args}]"
            elif kind is Apply:
                name = node.fn  # type: ignore[attr-defined]
                text = f"{name} {args}"
                if name == "bitcast":
                    text += f":{node.dtype.name}"
            elif kind is Cast:
                text = f"{node.dtype.name} {args}"
            elif kind is Select:
                text = f"select {args}"
            else:
                assert isinstance(node, Reduce)
                axes = " ".join(f"v{self.number(a)}:{a.extent}" for a in node.axes)
                text = f"{self.combiner(node.combiner)} {args} over {axes} part {node.index}"
            at[node] = f"%{len(out)}"
            out.append(text)
        return f"{'; '.join(out)} -> {' '.join([at[root] for root in roots])}"

    def combiner(self, combiner: Combiner) -> str:
        """What the combiner computes; its name does not matter."""
        if combiner.fn:
            return f"<{combiner.fn} {combiner.dtypes[0].name}>"
        text = self.combiners.get(combiner)
        if text is None:
            outer, self.numbers = (self.numbers, self.count), {}
            self.count = 0
            for var in combiner.lhs + combiner.rhs:
                self.number(var)
            start = " ".join(f"{c.value!r}:{c.dtype.name}" for c in combiner.identity)
            order = "" if combiner.commutative else " in order"
            text = f"<{self.exprs(combiner.result)} from {start}{order}>"
            self.numbers, self.count = outer
            self.combiners[combiner] = text
        return text
