"""What is known of a flat program before a line of code is written.

One walk finds the kind and range of every loop variable, which buffers are written, and how each is
indexed. Facts about expressions are found on demand and kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import CompileError
from ...ir.affine import as_sum
from ...ir.bounds import interval
from ...ir.expr import Apply, Expr, Load, Reduce, Var
from ...ir.program import (
    Accumulate,
    Block,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Scope,
    Stmt,
    Store,
    children_of,
    expressions_of,
    walk,
)
from ...ir.rewrite import postorder
from .math_calls import MATH_CALLS

Indices = tuple[Expr, ...]
NONE: frozenset[Buffer] = frozenset()


class Facts:
    """Of one expression: its ``variables``; those of them that are constants or lanes wherever it
    stands (``fixed``); the written buffers its value depends on; whether it holds a load that may
    be out of bounds (``guarded``) or calls into the C library (``costly``); its ``depth``."""

    __slots__ = ("costly", "depth", "fixed", "guarded", "reads", "variables")

    def __init__(self) -> None:
        self.variables: tuple[Var, ...] = ()
        self.fixed: tuple[Var, ...] = ()
        self.reads = NONE
        self.guarded = False
        self.costly = False
        self.depth = 1


class ProgramFacts:
    """Of one flat program. ``ranges`` holds the extent of every loop variable; ``lanes`` and
    ``constants`` are the variables of vector loops and of loops that are written out."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.ranges: dict[Var, int] = {}
        self.lanes: set[Var] = set()
        self.constants: set[Var] = set()
        self.accesses: dict[Buffer, list[Indices]] = {}
        self.escaping: set[Buffer] = set()
        self._facts: dict[Expr, Facts] = {}
        self._written: dict[int, frozenset[Buffer]] = {}
        self._proven: dict[tuple[object, ...], bool] = {}
        self._sums: dict[tuple[object, ...], tuple[tuple[tuple[Expr, int], ...], int]] = {}
        self._aliases: dict[Buffer, frozenset[Buffer]] = {}
        seen: set[Expr] = set()
        for stmt in walk(program.body):
            self._visit(stmt, seen)
        self.all_written = self.written(program.body)

    def _visit(self, stmt: Stmt, seen: set[Expr]) -> None:
        match stmt:
            case For(var=var, extent=extent, kind=kind):
                self.ranges[var] = extent
                if extent == 1 or kind is LoopKind.UNROLLED:
                    self.constants.add(var)
                elif kind is LoopKind.VECTORIZED:
                    self.lanes.add(var)
            case Store(buffer=buffer, indices=indices):
                self.accesses.setdefault(buffer, []).append(indices)
            case Accumulate(buffers=buffers, indices=indices):
                for buffer in buffers:
                    self.accesses.setdefault(buffer, []).append(indices)
            case Evaluate(args=args):
                self.escaping.update(arg for arg in args if isinstance(arg, Buffer))
            case Block(name=name):
                raise CompileError(
                    f"program {self.program.name!r} still holds block {name!r}; lower it before "
                    "generating code"
                )
        for root in expressions_of(stmt):
            if root in seen:
                continue
            for node in postorder(root):
                if isinstance(node, Load) and node not in seen:
                    self.accesses.setdefault(node.source, []).append(node.indices)
                seen.add(node)

    def written(self, stmt: Stmt) -> frozenset[Buffer]:
        """The buffers that ``stmt`` may write."""
        found = self._written.get(id(stmt))
        if found is None:
            match stmt:
                case Store(buffer=buffer):
                    found = frozenset((buffer,))
                case Accumulate(buffers=buffers):
                    found = frozenset(buffers)
                case Evaluate(args=args):
                    found = frozenset(arg for arg in args if isinstance(arg, Buffer))
                case _:
                    found = NONE.union(*map(self.written, children_of(stmt)))
            self._written[id(stmt)] = found
        return found

    def aliases(self, buffer: Buffer) -> frozenset[Buffer]:
        """The written buffers that may share memory with ``buffer``, itself included."""
        found = self._aliases.get(buffer)
        if found is None:
            if buffer.scope is Scope.GLOBAL and not self.program.attrs.get("noalias"):
                found = frozenset(b for b in self.all_written if b.scope is Scope.GLOBAL)
            else:
                found = self.all_written & {buffer}
            self._aliases[buffer] = found
        return found

    def in_bounds(self, buffer: Buffer, indices: Indices) -> bool:
        """Whether the indices are proven to lie inside the buffer at every point of the loops."""
        key = (buffer, *indices)
        found = self._proven.get(key)
        if found is None:
            found = self._proven[key] = all(
                self.proven(index, extent)
                for index, extent in zip(indices, buffer.shape, strict=True)
            )
        return found

    def proven(self, index: Expr, extent: int) -> bool:
        """Whether ``0 <= index < extent`` at every point of the loops."""
        low, high = interval(index, self.ranges)
        return low >= 0 and high < extent

    def of(self, root: Expr) -> Facts:
        """The facts of an expression."""
        found = self._facts.get(root)
        if found is None:
            for node in postorder(root):
                if node not in self._facts:
                    self._facts[node] = self._find(node)
            found = self._facts[root]
        return found

    def _find(self, node: Expr) -> Facts:
        out = Facts()
        if isinstance(node, Var):
            out.variables = (node,)
            out.fixed = (node,) if node in self.constants or node in self.lanes else ()
            return out
        if isinstance(node, Reduce):
            raise CompileError("a reduction must have become loops before code is generated")
        children = [self._facts[child] for child in node.children]
        if len(children) == 1:
            out.variables, out.fixed = children[0].variables, children[0].fixed
            out.reads = children[0].reads
        else:
            out.variables = _union(child.variables for child in children)
            out.fixed = _union(child.fixed for child in children)
            out.reads = NONE.union(*(child.reads for child in children))
        out.guarded = any(child.guarded for child in children)
        out.costly = any(child.costly for child in children)
        out.depth = 1 + max((child.depth for child in children), default=0)
        if isinstance(node, Load):
            out.reads |= self.aliases(node.source)
            out.guarded |= not self.in_bounds(node.source, node.indices)
        elif isinstance(node, Apply):
            out.costly |= node.fn in MATH_CALLS and node.dtype.is_float
        return out

    def linear(self, buffer: Buffer, indices: Indices) -> tuple[tuple[tuple[Expr, int], ...], int]:
        """The element offset of ``buffer[indices]`` as (atom, coefficient) terms and a constant."""
        key = (buffer, *indices)
        found = self._sums.get(key)
        if found is None:
            terms: dict[Expr, int] = {}
            offset = 0
            for index, stride in zip(indices, buffer.element_strides, strict=True):
                if stride == 0:
                    continue
                total = as_sum(index)
                offset += total.constant * stride
                for atom, c in total.terms:
                    terms[atom] = terms.get(atom, 0) + c * stride
            found = (tuple((a, c) for a, c in terms.items() if c), offset)
            self._sums[key] = found
        return found


def _union(groups: Iterable[tuple[Var, ...]]) -> tuple[Var, ...]:
    return tuple(dict.fromkeys(var for group in groups for var in group))
