"""Low-level NumPy: a program as explicit Python loops over explicitly allocated arrays.

::

    def lnumpy_mm_relu(A, B, C):
        Y = np.empty((128, 128), dtype="float32")
        for i in range(128):
            for j in range(128):
                for k in range(128):
                    if k == 0:
                        Y[i, j] = 0.0
                    Y[i, j] += A[i, k] * B[k, j]

The text is complete: it can be saved, read, changed and run. Results are the interpreter's, bit for
bit, but nothing checks an index, except where the program says what one outside means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import bfloat16
from ..errors import ArgumentError, BoundsError, UnsupportedError
from ..ir.arithmetic import silent
from ..ir.call_names import is_gufunc
from ..ir.combiner import Combiner
from ..ir.empty_loops import fill_empty_reductions
from ..ir.expr import Expr
from ..ir.interpret import check_array
from ..ir.intrinsic import (
    expand_call,
    intrinsic_named,
    is_intrinsic,
    kept_dimensions,
    regions_of_call,
)
from ..ir.notation import ATOM, Text, identifier, render
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    While,
)
from ..ir.scalar import SCALAR_FNS
from ..ir.sharing import shared_nodes
from ..ir.show import INDENT, Names
from ..ir.simplify import simplify
from .base import Kernel
from .numpy_notation import Notation

RESERVED = (
    "np", "range", "min", "max", "bfloat16", "scalar_function", "as_dtype", "refused", "place",
)  # fmt: skip


def lnumpy_text(program: Program) -> str:
    """``program`` as the source of one Python function, with the imports it needs."""
    return _Writer(program).text()


@dataclass(frozen=True)
class NumpyBackend:
    """Prints a program as low-level NumPy and runs the text."""

    name: str = "numpy"

    def source(self, program: Program) -> str:
        return lnumpy_text(program)

    def compile(self, program: Program) -> Kernel:
        text = lnumpy_text(program)
        space: dict[str, Any] = {}
        try:
            exec(compile(text, _file_name(program), "exec"), space)
        except (SyntaxError, RecursionError) as error:
            raise UnsupportedError(
                f"Python cannot compile {program.name} as nested loops ({error}); "
                f'it allows 20 of them: use the backend "interpret"'
            ) from None
        function = space[_function_name(program)]
        params = program.params
        first_output = len(params) - program.outputs

        def run(*arrays: np.ndarray[Any, Any]) -> None:
            if len(arrays) != len(params):
                raise ArgumentError(f"{program.name} takes {len(params)} arrays, got {len(arrays)}")
            for position, (buffer, array) in enumerate(zip(params, arrays)):
                check_array(buffer, array, position >= first_output)
            with silent():
                try:
                    function(*arrays)
                except IndexError as error:
                    raise _named(error, program, text) from None

        return run


BACKEND = NumpyBackend()


def _named(error: IndexError, program: Program, text: str) -> IndexError:
    """NumPy's error for an index, with the line of ``text``, the program's, that it was met in."""
    if isinstance(error, BoundsError):
        return error
    lines, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == _file_name(program):
            lines.append(text.splitlines()[trace.tb_lineno - 1].strip())
        trace = trace.tb_next
    return BoundsError(f"{error}, in {lines[-1]!r} of {program.name}") if lines else error


def _file_name(program: Program) -> str:
    return f"<lnumpy {program.name}>"


def _function_name(program: Program) -> str:
    return f"lnumpy_{identifier(program.name)}"


class _Writer:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.lines: list[str] = []
        self.combiners: list[list[str]] = []
        self.depth = 0
        self.names = Names(RESERVED)
        self.notation = Notation(self.names)

    def text(self) -> str:
        self.function(_function_name(self.program))
        helpers = self.notation.helpers.values()
        imports = sorted(line for line in helpers if line.startswith("from"))
        defined = [line for line in helpers if not line.startswith("from")]
        head = ["import numpy as np", *imports, *(["", *defined] if defined else [])]
        return "\n\n\n".join(map("\n".join, [head, *self.combiners, self.lines]))

    def function(self, name: str) -> list[str]:
        """The lines of the program as the function ``name``."""
        program = fill_empty_reductions(self.program)
        params = ", ".join([self.names.add(b) for b in program.params])
        self.line(f"def {name}({params}):")
        with self.indented():
            self.statement(program.body)
        return self.lines

    def line(self, text: str) -> None:
        self.lines.append(INDENT * self.depth + text)

    @contextmanager
    def indented(self) -> Iterator[None]:
        self.depth += 1
        before = len(self.lines)
        with self.names.scope():
            yield
        if len(self.lines) == before:
            self.line("pass")
        self.depth -= 1

    def statement(self, stmt: Stmt) -> None:
        match stmt:
            case Seq(stmts=stmts):
                for part in stmts:
                    self.statement(part)
            case Allocate(buffers=buffers, body=body):
                for b in buffers:
                    kind = f'"{b.dtype.name}"'
                    if b.dtype is bfloat16:
                        kind = self.notation.dtype(bfloat16)
                    self.line(f"{self.names.add(b)} = np.empty({b.shape!r}, dtype={kind})")
                self.statement(body)
            case For():
                self.loop(stmt)
            case While(condition=condition, body=body):
                self.line("while True:")
                with self.indented():
                    self.line(f"if not ({self.values(condition)[0]}):")
                    with self.indented():
                        self.line("break")
                    self.statement(body)
            case If(condition=condition, then=then, otherwise=otherwise):
                self.line(f"if {self.values(condition)[0]}:")
                with self.indented():
                    self.statement(then)
                if otherwise is not None:
                    self.line("else:")
                    with self.indented():
                        self.statement(otherwise)
            case Block():
                self.block(stmt)
            case Store(buffer=buffer, indices=indices, value=value):
                *at, text = self.values(*indices, value)
                self.refusal(buffer, at)
                self.line(f"{self.element(buffer, self.places(buffer, indices, at))} = {text}")
            case Accumulate():
                self.accumulate(stmt)
            case Evaluate(name=name) if is_intrinsic(name):
                if intrinsic_named(name).zeros:
                    self.statement(expand_call(stmt))
                else:
                    self.intrinsic(stmt)
            case Evaluate(name=name, args=args) if is_gufunc(name):
                self.notation.helpers["run_gufunc"] = "from mlc.ir.gufuncs import run_gufunc"
                arrays = ", ".join(self.names[b] for b in args if isinstance(b, Buffer))
                self.line(f'run_gufunc("{name}", [{arrays}])')
            case Evaluate(name=name):
                raise UnsupportedError(
                    f"low-level NumPy cannot call {name!r}; print the program as it was before "
                    f"this call took the place of plain statements"
                )

    def refusal(self, buffer: Buffer, indices: Sequence[str]) -> None:
        """What a store outside of ``buffer`` raises where the program says what that means."""
        found = self.program.attrs.get("refusals", {}).get(buffer.name)
        if found is None:
            return
        self.notation.helpers["refused"] = "from mlc.errors import refused"
        error, sentence = found
        for index, extent in zip(indices, buffer.shape, strict=True):
            self.line(f"if not 0 <= ({index}) < {extent}:")
            with self.indented():
                self.line(f"raise refused({error!r}, {sentence!r}, {index}, None)")

    def loop(self, stmt: For) -> None:
        self.notation.bind(stmt.var, stmt.extent)
        with self.names.scope():
            note = "" if stmt.kind is LoopKind.SERIAL else f"  # {stmt.kind.value}"
            self.line(f"for {self.names.add(stmt.var)} in range({stmt.extent}):{note}")
            with self.indented():
                self.statement(stmt.body)

    def block(self, stmt: Block) -> None:
        """The body with its axes bound; an axis that is a loop variable goes by that name."""
        if stmt.predicate is not None:
            self.line(f"if {self.values(stmt.predicate)[0]}:")
            with self.indented():
                self.points(stmt)
        else:
            with self.names.scope():
                self.points(stmt)

    def points(self, stmt: Block) -> None:
        texts = self.values(*(it.binding for it in stmt.iters))
        for it, text in zip(stmt.iters, texts, strict=True):
            same = self.notation.extents.get(it.binding) == it.axis.extent  # type: ignore[call-overload]
            self.notation.bind(it.axis, it.axis.extent)
            if same:
                self.names[it.axis] = text
            else:
                wish = it.axis.name
                name = self.names.add(it.axis, wish if wish.startswith("v") else f"v{wish}")
                self.line(f"{name} = {text}")
        if stmt.init is not None:
            starts = [f"{self.names[it.axis]} == 0" for it in stmt.iters if it.axis.is_reduce]
            if starts:
                self.line(f"if {' and '.join(starts)}:")
                with self.indented():
                    self.statement(stmt.init)
            else:
                self.statement(stmt.init)
        self.statement(stmt.body)

    def accumulate(self, stmt: Accumulate) -> None:
        combiner, count = stmt.combiner, len(stmt.indices)
        texts = self.values(*stmt.indices, *stmt.values)
        at = self.places(stmt.buffers[0], stmt.indices, texts[:count])
        news = [
            self.notation.typed(value, Text(text, ATOM)).text
            for value, text in zip(stmt.values, texts[count:], strict=True)
        ]
        targets = [self.element(buffer, at) for buffer in stmt.buffers]
        symbol = SCALAR_FNS[combiner.fn].infix if combiner.fn else ""
        logical = combiner.dtypes[0].kind == "b" and symbol in ("+", "*")
        if symbol and not logical:
            self.line(f"{targets[0]} {symbol}= {news[0]}")
        elif combiner.fn:
            name = SCALAR_FNS[combiner.fn].numpy.__name__
            self.line(f"{targets[0]} = np.{name}({targets[0]}, {news[0]})")
        elif len(targets) == 1:
            self.line(f"{targets[0]} = {self.combiner(combiner)}({targets[0]}, {news[0]})")
        else:
            old, new = ", ".join(targets), ", ".join(news)
            self.line(f"{old} = {self.combiner(combiner)}(({old}), ({new}))")

    def combiner(self, combiner: Combiner) -> str:
        """The name of the Python function that combines two partial results."""
        if combiner in self.names:
            return self.names[combiner]
        self.names.taken.add(name := self._free(identifier(combiner.name)))
        self.names[combiner] = name
        single = len(combiner.dtypes) == 1
        for side, variables in (("a", combiner.lhs), ("b", combiner.rhs)):
            for n, var in enumerate(variables):
                self.names[var] = side if single else f"{side}[{n}]"
        outer, self.lines, depth, self.depth = self.lines, [], self.depth, 1
        results = ", ".join(
            self.notation.typed(part, Text(text, ATOM)).text
            for part, text in zip(combiner.result, self.values(*combiner.result), strict=True)
        )
        body = [*self.lines, f"{INDENT}return {results}"]
        self.combiners.append([f"def {name}(a, b):", *body])
        self.lines, self.depth = outer, depth
        return name

    def intrinsic(self, call: Evaluate) -> None:
        """A call of a function that is the meaning of the intrinsic, over views."""
        meaning = intrinsic_named(call.name).meaning
        if meaning not in self.names:
            self.names.taken.add(name := self._free(identifier(call.name)))
            self.names[meaning] = name
            inner = _Writer(meaning)
            inner.names.taken |= {self.names[m] for m in self.names if isinstance(m, Program)}
            inner.names.update((m, n) for m, n in self.names.items() if isinstance(m, Program))
            inner.notation.helpers, inner.combiners = self.notation.helpers, self.combiners
            self.combiners.append(inner.function(name))
        views = [
            self.view(region, operand)
            for region, operand in zip(regions_of_call(call), meaning.params, strict=True)
        ]
        self.line(f"{self.names[meaning]}({', '.join(views)})")

    def view(self, region: Region, operand: Buffer) -> str:
        """The elements of a region as an array of the operand's shape."""
        starts = [simplify(start) for start in region.starts]
        texts = self.values(*starts, *(simplify(a + n) for a, n in zip(starts, region.extents)))
        kept = set(kept_dimensions(region.extents))
        at = [
            f"{a}:{b}" if d in kept or not kept and d == 0 else a
            for d, (a, b) in enumerate(zip(texts, texts[len(starts) :]))
        ]
        text = self.element(region.buffer, at or ["..."])
        if operand.ndim == len(kept):
            return text
        return f"{text}.reshape{operand.shape!r}"

    def _free(self, base: str) -> str:
        name, count = base, 1
        while name in self.names.taken or name in self.names.values():
            name, count = f"{base}_{count}", count + 1
        return name

    def values(self, *exprs: Expr) -> list[str]:
        """The texts of ``exprs``; what they share, and can be evaluated early, is written first."""
        done: dict[Expr, Text] = {}
        for number, node in enumerate(shared_nodes(exprs, lazy=True)):
            text = render(node, self.notation.rule, done).text
            name = self._temporary(number)
            self.line(f"{name} = {text}")
            done[node] = Text(name, ATOM)
        return [render(expr, self.notation.rule, done).text for expr in exprs]

    def _temporary(self, number: int) -> str:
        name = f"t{number}"
        while name in self.names.taken:
            name += "_"
        return name

    def places(self, buffer: Buffer, indices: Sequence[Expr], texts: Sequence[str]) -> list[str]:
        """The texts of places that are written, which are looked at where the data decide them."""
        parts = zip(indices, texts, buffer.shape, strict=True)
        return [self.notation.place(i, Text(text, 0), size).text for i, text, size in parts]

    def element(self, buffer: Buffer, indices: Sequence[str]) -> str:
        return f"{self.names[buffer]}[{', '.join(indices) or '()'}]"
