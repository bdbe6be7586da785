"""What is known of a flat program before a line of code is written.

One walk finds the kind and range of every loop variable, which buffers are written, and how each is
indexed. Facts about expressions are found on demand and kept.
"""

from __future__ import annotations

from typing import Any

from ...errors import CompileError
from ...ir.affine import Sum, as_sum
from ...ir.bounds import interval
from ...ir.expr import Apply, Expr, Load, Reduce, Var
from ...ir.program import (
    Accumulate,
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
    children_of,
    expressions_of,
    walk,
)
from ...ir.rewrite import variables_of
from ...ir.simplify import merge_remainders

# Functions of the C library, lane by lane: what no pass has expanded.
MATH_CALLS: dict[str, str] = {
    name: name
    for name in (
        "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh",
        "cosh", "tanh", "cbrt", "erf", "erfc", "hypot", "pow",
    )
} | {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "libm_sin": "sin", "libm_cos": "cos", "libm_tan": "tan",
}  # fmt: skip
Indices = tuple[Expr, ...]
NONE: frozenset[Buffer] = frozenset()


class Facts:
    """Of one expression: its ``variables``, and those of them that are constants or lanes wherever
    it stands (``fixed``); the ``sources`` of its loads; the written buffers that its value depends
    on (``reads``); whether it holds a load that may be out of bounds (``guarded``), or calls into
    the C library or is rarely needed (``costly``); its ``depth``.
    """

    __slots__ = ("costly", "depth", "fixed", "guarded", "reads", "sources", "variables")

    def __init__(self) -> None:
        self.variables: tuple[Var, ...] = ()
        self.fixed: tuple[Var, ...] = ()
        self.sources: tuple[Buffer, ...] = ()
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
        self._uses: dict[int, tuple[Stmt, list[Buffer], list[Var]]] = {}
        self._crossing: set[Buffer] | None = None
        self._aliases: dict[Buffer, frozenset[Buffer]] = {}
        self._settled: frozenset[Buffer] | None = None
        self._own: dict[tuple[int, Buffer], bool] = {}
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
            case Evaluate():
                self.escaping.update(_given(stmt))
            case Block(name=name):
                raise CompileError(
                    f"program {self.program.name!r} still holds block {name!r}; lower it before "
                    "generating code"
                )
        stack = list(expressions_of(stmt))
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(node.children)
                if isinstance(node, Load):
                    self.accesses.setdefault(node.source, []).append(node.indices)

    def written(self, stmt: Stmt) -> frozenset[Buffer]:
        """The buffers that ``stmt`` may write."""
        found = self._written.get(id(stmt))
        if found is None:
            match stmt:
                case Store(buffer=buffer):
                    found = frozenset((buffer,))
                case Accumulate(buffers=buffers):
                    found = frozenset(buffers)
                case Evaluate():
                    found = _written_by(stmt)
                case _:
                    found = NONE.union(*map(self.written, children_of(stmt)))
            self._written[id(stmt)] = found
        return found

    def aliases(self, buffer: Buffer) -> frozenset[Buffer]:
        """The written buffers that may share memory with ``buffer``, itself included: a result may
        lie where an argument of its shape does."""
        found = self._aliases.get(buffer)
        if found is None:
            if buffer.scope is Scope.GLOBAL and not self.program.attrs.get("noalias"):
                results = (b for b in self.all_written if b.scope is Scope.GLOBAL)
                found = frozenset(b for b in results if b is buffer or b.shape == buffer.shape)
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
            ) or self._in_memory(buffer, indices)
        return found

    def _in_memory(self, buffer: Buffer, indices: Indices) -> bool:
        """Whether the offset alone stays inside: indices may have been merged into the last one."""
        low, high = self.reach(buffer, indices)
        return buffer.strides is None and low >= 0 and high < buffer.size

    def reach(self, buffer: Buffer, indices: Indices) -> tuple[float, float]:
        """The least and the greatest element offset at any point of the loops."""
        terms, offset = self.linear(buffer, indices)
        low = high = float(offset)
        for atom, c in terms:
            least, most = interval(atom, self.ranges)
            low += c * (least if c > 0 else most)
            high += c * (most if c > 0 else least)
        return low, high

    def proven(self, index: Expr, extent: int) -> bool:
        """Whether ``0 <= index < extent`` at every point of the loops."""
        low, high = interval(index, self.ranges)
        return low >= 0 and high < extent

    def of(self, root: Expr) -> Facts:
        """The facts of an expression."""
        known = self._facts
        found = known.get(root)
        if found is not None:
            return found
        stack = [root]
        while stack:
            node = stack[-1]
            missing = [child for child in node.children if child not in known]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if node not in known:
                known[node] = self._find(node)
        return known[root]

    def _find(self, node: Expr) -> Facts:
        out = Facts()
        if isinstance(node, Var):
            out.variables = (node,)
            out.fixed = (node,) if node in self.constants or node in self.lanes else ()
            return out
        if isinstance(node, Reduce):
            raise CompileError("a reduction must have become loops before code is generated")
        out.variables = variables_of(node)
        for child in node.children:
            part = self._facts[child]
            out.fixed = _union(out.fixed, part.fixed)
            out.sources = _union(out.sources, part.sources)
            out.reads = out.reads | part.reads if out.reads else part.reads
            out.guarded |= part.guarded
            out.costly |= part.costly
            out.depth = max(out.depth, part.depth + 1)
        if isinstance(node, Load):
            out.sources = _union(out.sources, (node.source,))
            out.reads |= self.aliases(node.source)
            out.guarded |= not self.in_bounds(node.source, node.indices)
        elif isinstance(node, Apply):
            out.costly |= node.fn in MATH_CALLS and node.dtype.is_float or node.fn == "rarely"
        return out

    def linear(self, buffer: Buffer, indices: Indices) -> tuple[tuple[tuple[Expr, int], ...], int]:
        """The element offset of ``buffer[indices]`` as (atom, coefficient) terms and a constant."""
        key = (buffer, *indices)
        found = self._sums.get(key)
        if found is None:
            total = Sum((), 0)
            for index, stride in zip(indices, buffer.element_strides, strict=True):
                total = total.plus(as_sum(index), stride)
            total = merge_remainders(total, self.ranges)
            found = (total.terms, total.constant)
            self._sums[key] = found
        return found

    def uses(self, stmt: Stmt) -> tuple[list[Buffer], list[Var]]:
        """The buffers and variables that stand in ``stmt``, in order of appearance."""
        used = self._uses.get(id(stmt))
        if used is not None and used[0] is stmt:
            return used[1:]
        buffers: dict[Buffer, None] = {}
        variables: dict[Var, None] = {}
        match stmt:
            case Store(buffer=buffer):
                buffers[buffer] = None
            case Accumulate(buffers=many):
                buffers.update(dict.fromkeys(many))
            case Evaluate():
                buffers.update(dict.fromkeys(_given(stmt)))
        for expr in expressions_of(stmt):
            known = self.of(expr)
            buffers.update(dict.fromkeys(known.sources))
            variables.update(dict.fromkeys(known.variables))
        for child in children_of(stmt):
            more, others = self.uses(child)
            buffers.update(dict.fromkeys(more))
            variables.update(dict.fromkeys(others))
        self._uses[id(stmt)] = stmt, list(buffers), list(variables)
        return self._uses[id(stmt)][1:]

    @property
    def settled(self) -> frozenset[Buffer]:
        """The buffers that are written whatever the data are."""
        if self._settled is None:
            from .blends import settled

            self._settled = frozenset(settled(self.program.body))
        return self._settled

    def of_one_thread(self, loop: For, buffer: Buffer) -> bool:
        """Whether what the parallel ``loop`` writes of ``buffer`` is touched in one iteration
        alone, element by element."""
        key = id(loop), buffer
        if key not in self._own:
            from .blends import is_of_one_thread

            self._own[key] = is_of_one_thread(loop, buffer)
        return self._own[key]

    def crosses_threads(self, buffer: Buffer) -> bool:
        """Whether a parallel loop uses ``buffer`` from outside of it."""
        if self._crossing is None:
            self._crossing = set()
            for stmt in walk(self.program.body):
                if isinstance(stmt, For) and stmt.kind is LoopKind.PARALLEL and stmt.extent > 1:
                    inside = {b for s in walk(stmt) if isinstance(s, Allocate) for b in s.buffers}
                    self._crossing.update(b for b in self.uses(stmt)[0] if b not in inside)
        return buffer in self._crossing


def _written_by(call: Evaluate) -> frozenset[Buffer]:
    from ...ir.call_names import is_intrinsic

    if not is_intrinsic(call.name):
        return frozenset(_given(call))
    from ...ir.intrinsic import call_effects

    return frozenset(region.buffer for region in call_effects(call)[1])


def _given(call: Evaluate) -> list[Buffer]:
    """The buffers whose addresses a call gets."""
    places = (arg.buffer if isinstance(arg, Region) else arg for arg in call.args)
    return [place for place in places if isinstance(place, Buffer)]


def _union(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    if not right or left is right:
        return left
    return tuple(dict.fromkeys(left + right)) if left else right
