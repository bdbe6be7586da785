"""Where code goes: each value as far out as it does not change, and only once.

The *level* of a value is the innermost scope that one of its variables, or a store to what it
reads, belongs to. A value is written in the scope of its level, right in front of the scope that
is being written there, and remembered in it. LLVM's own loop optimiser is not run, and is not
missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...dtypes import int64
from ...ir.expr import Const, Expr, Select, Var
from ...ir.program import Buffer, For
from .builder import Builder, Chunk, flatten, join_blocks
from .facts import NONE, Facts, Indices, ProgramFacts
from .types import Value, constant, vector_constant

if TYPE_CHECKING:
    from .beside import Beside, HandOn
    from .debug import Sites
    from .overlaps import Overlaps
    from .registers import RegisterFile

# Expressions deeper than this are evaluated from the leaves up, off Python's stack.
DEEP = 40


class Region:
    """One nesting level of the code: the function, a loop, or one side of a condition.

    ``before`` is the chunk right in front of it. ``barrier`` is the level of the innermost
    condition: loads that may be out of bounds never move out of it."""

    __slots__ = ("barrier", "before", "memo", "reads", "written")

    def __init__(self, before: Chunk, written: frozenset[Buffer], barrier: int) -> None:
        self.before = before
        self.written = written
        self.barrier = barrier
        self.memo: dict[Any, Value] = {}
        self.reads: dict[
            frozenset[Buffer], dict[Any, None]
        ] = {}  # keys of `memo`, by what they read


class Emitter(Builder):
    """The function under construction, with everything that is known at the current place.

    ``fixed`` holds the number for each variable that is written out and the lane count of the lane
    variable; ``bound`` the value of every other variable and ``level_of`` its scope; ``home`` the
    scope of values by their names. ``mask`` is None or says which lanes run. ``rare`` holds in code
    that mostly is passed over: nothing moves out of it.
    """

    def __init__(
        self,
        facts: ProgramFacts,
        target: Any,
        declarations: dict[str, None],
        functions: list[str],
        symbol: str,
        emit: Callable[[Emitter, Expr], Value],
        sites: Sites | None = None,
    ) -> None:
        super().__init__(declarations, target.has_fma, target.has_f16c)
        self.facts = facts
        self.target = target
        self.functions = functions
        self.symbol = symbol
        self.sites = sites
        self.emit = emit
        self.regions = [Region(self.root, NONE, 0)]
        self.bound: dict[Var, Value] = {}
        self.level_of: dict[Var, int] = {}
        self.fixed: dict[Var, int] = {}
        self.pointers: dict[Buffer, str] = {}
        self.registers: dict[Buffer, RegisterFile] = {}
        self.lane: Var | None = None
        self.lanes = 0
        self.mask: Value | None = None
        self.mask_level = 0
        self.wider: dict[str, str] = {}  # the mask that a mask was narrowed from, if any, by text
        self.rare = False
        self.volatile = False
        self.crowded = False  # whether some loop carries most of the vector registers
        self.parallel: For | None = None  # the parallel loop that this is the body of
        # What each iteration of a parallel loop has a part of: the loop's variable, the elements of
        # a part, and the variable that says which part this thread uses instead.
        self.parts: dict[Buffer, tuple[Var, int, Var]] = {}
        self.failure = "ret i32 1"
        self.passing: frozenset[Buffer] = NONE  # buffers whose lines are stored past the caches
        self.passed = False  # whether some were
        self.ends: dict[int, tuple[Any, str]] = {}  # of loops that data end: the loop, its end
        self.hand_on: HandOn | None = None  # takes what is compiled beside the rest of the kernel
        self.beside: Beside | None = None
        self.overlaps: Overlaps = {}  # of the vectors that are written at the moment
        self.home: dict[str, int] = {}
        self._constants: dict[Expr, Value] = {}
        self._climbing = False

    def bind(self, var: Var, value: Value) -> None:
        """``var`` is ``value`` from here to the end of the current scope."""
        self.bound[var] = value
        self.level_of[var] = self.home[value.text] = len(self.regions) - 1

    def enter(
        self,
        written: frozenset[Buffer] = NONE,
        conditional: bool = False,
        before: Chunk | None = None,
    ) -> None:
        """Open a scope whose code comes next; ``before`` is made here unless it is given."""
        if before is None:
            before = []
            self.out.append(before)
        level = len(self.regions)
        barrier = level if conditional else self.regions[-1].barrier
        self.regions.append(Region(before, written, barrier))

    def leave(self) -> None:
        """Close the innermost scope."""
        self.regions.pop()

    def stored(self, buffer: Buffer) -> None:
        """Forget the values that a store to ``buffer`` may have changed."""
        changed = self.facts.aliases(buffer)
        for region in self.regions:
            for reads in [reads for reads in region.reads if reads & changed]:
                for key in region.reads.pop(reads):
                    region.memo.pop(key, None)

    def check_bounds(self, buffer: Buffer, indices: Indices) -> None:
        """See :func:`mlc.backends.llvm.debug.check_bounds`."""
        if self.sites is not None:
            from .debug import check_bounds

            check_bounds(self, buffer, indices)

    def varies(self, expr: Expr) -> bool:
        """Whether ``expr`` depends on the lane."""
        return any(var is self.lane for var in self.facts.of(expr).variables)

    def level(self, known: Facts) -> int:
        """The outermost scope in which an expression with these facts keeps its value."""
        level = 0
        for var in known.variables:
            at = self.level_of.get(var, 0)
            if at > level:
                level = at
        if known.reads:
            for i in range(len(self.regions) - 1, level, -1):
                if self.regions[i].written & known.reads:
                    return i
        return level

    def guarded_level(self, expr: Expr) -> int:
        """The outermost scope in which ``expr`` may be computed."""
        known = self.facts.of(expr)
        level = self.level(known)
        if known.guarded or known.costly:
            level = max(level, self.regions[-1].barrier)
        if known.guarded and self.mask is not None:
            level = max(level, self.mask_level)
        return level

    def value(self, expr: Expr) -> Value:
        """The value of ``expr`` here; written only if it is not at hand."""
        if isinstance(expr, Const):
            found = self._constants.get(expr)
            if found is None:
                found = self._constants[expr] = constant(expr.value, expr.dtype)
            return found
        if isinstance(expr, Var):
            return self._variable(expr)
        known = self.facts.of(expr)
        if known.depth > DEEP and not self._climbing:
            self._climbing = True
            self._from_the_leaves(expr)
            self._climbing = False
        found, level, key = self._at_hand(expr, known)
        if found is not None:
            return found
        return self.at(level, key, lambda: self.emit(self, expr), known.reads)

    def has(self, expr: Expr) -> bool:
        """Whether the value of ``expr``, no constant or variable, is at hand here."""
        return self._at_hand(expr, self.facts.of(expr))[0] is not None

    def _at_hand(self, expr: Expr, known: Facts) -> tuple[Value | None, int, Any]:
        """The value of ``expr`` if a scope around here has it, the scope in which it is written
        if none has, and what it is remembered under there."""
        low = high = self.level(known)
        key: Any = expr
        if known.fixed:
            key = (expr, *[self.fixed[var] for var in known.fixed])
        keys = [key]
        if known.guarded or known.costly or self.rare:
            high = max(low, self.regions[-1].barrier)
            if known.guarded and self.mask is not None:
                keys = [*((key, mask) for mask in self._masks()), key]
                high = max(high, self.mask_level)
        for i in range(low, high + 1):
            memo = self.regions[i].memo
            for known_as in keys:
                if (found := memo.get(known_as)) is not None:
                    return found, i, key
        return None, high, keys[0]

    def _masks(self) -> Iterator[str]:
        """The mask, and those it was narrowed from: what they have at hand will do here, too."""
        mask = self.mask.text if self.mask is not None else None
        while mask is not None:
            yield mask
            mask = self.wider.get(mask)

    def at(
        self, level: int, key: Any, make: Callable[[], Value], reads: frozenset[Buffer] = NONE
    ) -> Value:
        """What ``make`` writes, written in the scope ``level`` and remembered there under
        ``key``."""
        region = self.regions[level]
        found = region.memo.get(key)
        if found is not None:
            return found
        if level + 1 < len(self.regions):
            regions, out = self.regions, self.out
            self.out = regions[level + 1].before
            self.regions = regions[: level + 1]
            found = make()
            self.regions, self.out = regions, out
        else:
            found = make()
        region.memo[key] = found
        self.home[found.text] = level
        if reads:
            region.reads.setdefault(reads, {})[key] = None
        return found

    def splat(self, value: Value, lanes: int) -> Value:
        """``value`` in every lane, made once where the value itself was made."""
        if value.lanes == lanes or value.const is not None:
            return super().splat(value, lanes)
        level = self.home.get(value.text, len(self.regions) - 1)
        if level >= len(self.regions):
            return super().splat(value, lanes)
        make = super().splat
        return self.at(level, ("splat", value.text, lanes), lambda: make(value, lanes))

    def _variable(self, var: Var) -> Value:
        found = self.bound.get(var)
        if found is not None:
            return found
        number = self.fixed[var]
        if var in self.facts.lanes:
            return vector_constant(list(range(number)), int64)
        return constant(number, int64)

    def _from_the_leaves(self, root: Expr) -> None:
        """Evaluate what ``root`` needs in any case, innermost first: the nodes at which another
        ``DEEP`` levels begin. A node may be much deeper than the child that it needs in any case,
        as a sine is whose rare side is long, so that single depths would be missed."""
        stack: list[tuple[Expr, bool]] = [(root, False)]
        seen: set[Expr] = set()
        while stack:
            node, expanded = stack.pop()
            depth = self.facts.of(node).depth
            if not expanded:
                if node not in seen and depth >= DEEP:
                    seen.add(node)
                    stack.append((node, True))
                    stack.extend((child, False) for child in reversed(self.needed(node)))
            elif node is not root and any(
                self.facts.of(child).depth // DEEP < depth // DEEP for child in self.needed(node)
            ):
                self.value(node)

    def needed(self, node: Expr) -> tuple[Expr, ...]:
        """The children that are evaluated whatever the data are."""
        if not isinstance(node, Select):
            return node.children
        sides = ((side, self.facts.of(side)) for side in node.children[1:])
        plain = (side for side, facts in sides if not (facts.guarded or facts.costly))
        return (node.children[0], *plain)


def function_text(e: Emitter, head: str) -> str:
    """The whole function, its stack memory first.

    Where loads and multiply-adds keep pace, none of the loads goes by the frame pointer: Intel's
    processors look for those among recent stores, and a product takes 6 % longer.
    """
    lines = ["entry:", *e.allocas]
    flatten(e.root, lines)
    kept = ' "frame-pointer"="all"' if e.crowded else ""
    return "\n".join([f"{head} #0{kept} {{", *join_blocks(lines), "}"])
