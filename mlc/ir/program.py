"""Tensor programs: the grammar, in order.

::

    Program(name, params, body)       buffers come in and go out; nothing is returned
    Stmt = Allocate(buffers, body)    buffers that live as long as body runs
         | Seq(stmts)                 one after the other
         | For(var, extent, kind, body)
         | While(condition, body)     condition is tested before each iteration
         | If(condition, then, otherwise)
         | Block(name, iters, body)   a unit of computation over its own axes
         | Store(buffer, indices, value)
         | Accumulate(combiner, buffers, indices, values)
                                      buffers[indices] = combine(buffers[indices], values)
         | Evaluate(name, args)       a call for its effect: a library function or an intrinsic
    Region(buffer, starts, extents)   a box of elements: what a block touches, what a call gets

A **Block** isolates its body from the loops around it. Each of its axes is *bound* to an expression
of the loop variables; the body speaks of the axes alone. Spatial axes name the elements the block
writes, each written by one point only; reduce axes are combined. A loop transformation changes
bindings and never a body: that is what makes schedules easy to prove. Blocks may stand in blocks:
the inner one's axes are then bound to expressions of the outer one's.

Nodes are frozen; buffers and variables are equal to themselves alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from ..dtypes import DType
from ..errors import ArgumentError, SourceLocation
from ..records import Quick, dataclass, replace
from .combiner import Combiner
from .expr import Axis, Expr, Load, Var, load

if TYPE_CHECKING:
    from .grids import Grid

_SCOPE_NAME = re.compile(r"[a-z]\w*(\.\w+)*")


class Scope(str, Enum):
    """Where a buffer lives. Memories of accelerators have names of their own, such as
    ``Scope("global.accumulator")``; processors keep what is in them in ordinary memory."""

    GLOBAL = "global"  # memory given by the caller or taken from the workspace
    STACK = "stack"  # private to one iteration of the enclosing parallel loop; a few KiB
    REGISTER = "register"  # never in memory: after unrolling all indices are constants or the lane
    SHARED = "shared"  # common to the threads of a block of a GPU's grid
    WARP = "warp"  # common to the threads of a warp
    LOCAL = "local"  # private to a thread

    @classmethod
    def _missing_(cls, value: object) -> Scope | None:
        """A memory that an accelerator brings: made at first sight, the same object ever after."""
        if not isinstance(value, str) or not _SCOPE_NAME.fullmatch(value):
            return None
        if value.isalpha():
            from difflib import get_close_matches

            if get_close_matches(value, [scope.value for scope in cls], 1, 0.8):
                return None  # "sharde" is "shared", and no memory of an accelerator
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return cls._value2member_map_.setdefault(value, member)  # type: ignore[return-value]


class LoopKind(str, Enum):
    """How a loop runs. The meaning of the program is that of SERIAL for all of them."""

    SERIAL = "serial"
    PARALLEL = "parallel"  # iterations on the threads of the pool
    VECTORIZED = "vectorized"  # iterations in the lanes of vector registers
    UNROLLED = "unrolled"  # iterations written out
    BOUND = "thread_binding"  # iterations on the threads that the annotation "thread" names


class Buffer:
    """A typed array in memory. ``strides`` are in elements; None means C-contiguous.

    ``aligned`` is False when elements may lie at addresses that are no multiple of their size.
    """

    __slots__ = ("__weakref__", "aligned", "dtype", "name", "scope", "shape", "strides")

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: DType,
        strides: tuple[int, ...] | None = None,
        scope: Scope = Scope.GLOBAL,
        aligned: bool = True,
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.strides = None if strides == contiguous_strides(shape) else strides
        self.scope = scope
        self.aligned = aligned

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}{list(self.shape)}"

    def __getitem__(self, indices: Any) -> Expr:
        from .expr import as_expr

        items = indices if isinstance(indices, tuple) else (indices,)
        return load(self, tuple(as_expr(i) for i in items))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        total = 1
        for extent in self.shape:
            total *= extent
        return total

    @property
    def element_strides(self) -> tuple[int, ...]:
        """The strides in elements, spelled out."""
        return contiguous_strides(self.shape) if self.strides is None else self.strides


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a C-contiguous array of ``shape``."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 1, 0, -1):  # the first one may be of open length
        strides[axis - 1] = strides[axis] * shape[axis]
    return tuple(strides)


@dataclass(frozen=True, eq=False)
class Allocate(Quick):
    """``buffers`` exist, uninitialised, while ``body`` runs."""

    buffers: tuple[Buffer, ...]
    body: Stmt


@dataclass(frozen=True, eq=False)
class Seq(Quick):
    """``stmts`` in order. Build it with :func:`seq`, which flattens."""

    stmts: tuple[Stmt, ...]


@dataclass(frozen=True, eq=False)
class For(Quick):
    """``body`` for ``var`` in ``range(extent)``.

    ``annotations`` are hints that do not change the meaning.
    """

    var: Var
    extent: int
    body: Stmt
    kind: LoopKind = LoopKind.SERIAL
    annotations: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class While(Quick):
    """``body`` again and again while ``condition`` holds, which is tested before each iteration.

    The condition reads buffers that the body writes. Whether the loop ends is the program's care.
    """

    condition: Expr
    body: Stmt


@dataclass(frozen=True, eq=False)
class If(Quick):
    """``then`` where ``condition`` holds, else ``otherwise``."""

    condition: Expr
    then: Stmt
    otherwise: Stmt | None = None


@dataclass(frozen=True, eq=False)
class Region(Quick):
    """The elements ``starts[d] <= i[d] < starts[d] + extents[d]`` of ``buffer``."""

    buffer: Buffer
    starts: tuple[Expr, ...]
    extents: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Iter(Quick):
    """A block's axis and the loop expression it is bound to."""

    axis: Axis
    binding: Expr


@dataclass(frozen=True, eq=False)
class Block(Quick):
    """``body`` over the points that the loops around it name.

    ``init`` runs once for each point of the spatial axes, before its first ``body``; None when
    there is nothing to reduce, or when the initialisation has been made a block of its own. Points
    where ``predicate`` is false are skipped. ``reads`` and ``writes`` say what a block touches
    whose calls do not show it; where they are None the body tells.
    """

    name: str
    iters: tuple[Iter, ...]
    body: Stmt
    init: Stmt | None = None
    predicate: Expr | None = None
    location: SourceLocation | None = None
    annotations: tuple[tuple[str, Any], ...] = ()
    reads: tuple[Region, ...] | None = None
    writes: tuple[Region, ...] | None = None

    def __repr__(self) -> str:
        return (
            f"<block {self.name}({', '.join(f'{it.axis.name}={it.binding}' for it in self.iters)})>"
        )

    @property
    def is_reduction(self) -> bool:
        """Whether any axis is reduced."""
        return any(it.axis.is_reduce for it in self.iters)


@dataclass(frozen=True, eq=False)
class Store(Quick):
    """``buffer[indices] = value``."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True, eq=False)
class Accumulate(Quick):
    """``buffers[i][indices] = combine(old values, values)[i]``, all parts at once."""

    combiner: Combiner
    buffers: tuple[Buffer, ...]
    indices: tuple[Expr, ...]
    values: tuple[Expr, ...]


@dataclass(frozen=True, eq=False)
class Evaluate(Quick):
    """A call of the function ``name`` for its effect.

    A buffer is passed by its address, a region by the address of its first element. A name that
    `ir.intrinsic` knows is an intrinsic over regions; any other is a function of a library.
    """

    name: str
    args: tuple[Expr | Buffer | Region, ...]


Stmt = Allocate | Seq | For | While | If | Block | Store | Accumulate | Evaluate


@dataclass(frozen=True, eq=False)
class Program:
    """A function over buffers. ``outputs`` says how many of the last ``params`` are written.

    Of ``attrs``, ``refusals`` says what an index outside of a buffer means to the caller, for some
    buffers by name: (name of an error of `mlc.errors` or "LinAlgError", sentence), with
    ``{index}`` for that index. Machine code always checks these; other backends as they do all.

    ``grid`` writes programs of the same meaning for grids of threads, where an operator has one.
    """

    name: str
    params: tuple[Buffer, ...]
    body: Stmt
    outputs: int = 1
    attrs: dict[str, Any] = field(default_factory=dict)
    grid: Grid | None = None

    def script(self) -> str:
        """The program as Python source."""
        from .show import program_text

        return program_text(self)

    def __repr__(self) -> str:
        return self.script()

    def draw(self, loop: Var | str | None = None) -> Any:
        """The loop nest as a picture; with ``loop``, the elements that one iteration touches."""
        from .viewers import viewer

        return viewer("draw")(self, loop)

    def _repr_html_(self) -> str:
        from .html import script_html

        return script_html(self.script())

    def __call__(self, *_: object) -> NoReturn:
        raise ArgumentError(
            f"{self.name} is a program, not a function yet: f = mlc.build({self.name}) compiles "
            f"it, and f(*arrays) runs it"
        )

    def with_body(self, body: Stmt) -> Program:
        """The same program around another body."""
        return replace(self, body=body)


def seq(*stmts: Stmt) -> Stmt:
    """``stmts`` in order, nested sequences flattened; a single one stays as it is."""
    flat: list[Stmt] = []
    for stmt in stmts:
        flat.extend(stmt.stmts if isinstance(stmt, Seq) else (stmt,))
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def children_of(stmt: Stmt) -> tuple[Stmt, ...]:
    """The direct sub-statements."""
    match stmt:
        case Allocate(body=body) | For(body=body) | While(body=body):
            return (body,)
        case Seq(stmts=stmts):
            return stmts
        case If(then=then, otherwise=otherwise):
            return (then,) if otherwise is None else (then, otherwise)
        case Block(body=body, init=init):
            return (body,) if init is None else (init, body)
        case _:
            return ()


def expressions_of(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions that stand directly in ``stmt``, not those of its sub-statements, nor the
    regions that a block declares: like its body, those speak of its axes."""
    match stmt:
        case If(condition=condition) | While(condition=condition):
            return (condition,)
        case Block(iters=iters, predicate=predicate):
            bound = tuple(it.binding for it in iters)
            return bound if predicate is None else (*bound, predicate)
        case Store(indices=indices, value=value):
            return (*indices, value)
        case Accumulate(indices=indices, values=values):
            return (*indices, *values)
        case Evaluate(args=args):
            parts: list[Expr] = []
            for arg in args:
                if isinstance(arg, Region):
                    parts.extend(arg.starts)
                elif isinstance(arg, Expr):
                    parts.append(arg)
            return tuple(parts)
        case _:
            return ()


def regions_of(block: Block) -> tuple[Region, ...]:
    """The regions that ``block`` declares, reads first."""
    return (*(block.reads or ()), *(block.writes or ()))


def walk(stmt: Stmt) -> Iterator[Stmt]:
    """Every statement in ``stmt``, parents first, in program order."""
    stack = [stmt]
    pop = stack.pop
    while stack:
        node = pop()
        yield node
        kind = type(node)
        if kind is For or kind is Allocate:
            stack.append(node.body)  # type: ignore[union-attr]
        elif kind is not Store and kind is not Accumulate:
            stack.extend(reversed(children_of(node)))


@lru_cache(maxsize=16)
def statements_of(program: Program) -> tuple[Stmt, ...]:
    """Every statement of ``program``, as :func:`walk` yields them; remembered for the last programs
    that were asked about."""
    return tuple(walk(program.body))


def blocks_of(stmt: Stmt) -> list[Block]:
    """All blocks in program order."""
    return [node for node in walk(stmt) if isinstance(node, Block)]


def reads_of(stmt: Stmt) -> list[Load]:
    """Every load in ``stmt``; Accumulate's own reads of its buffers are not among them."""
    from .rewrite import loads_of

    found: dict[Load, None] = {}
    for node in walk(stmt):
        for expression in expressions_of(node):
            found.update(dict.fromkeys(loads_of(expression)))
    return list(found)


def writes_of(stmt: Stmt) -> list[tuple[Buffer, tuple[Expr, ...]]]:
    """Every (buffer, indices) that ``stmt`` writes, in program order."""
    found: list[tuple[Buffer, tuple[Expr, ...]]] = []
    for node in walk(stmt):
        if isinstance(node, Store):
            found.append((node.buffer, node.indices))
        elif isinstance(node, Accumulate):
            found.extend((buffer, node.indices) for buffer in node.buffers)
    return found


def map_exprs(stmt: Stmt, change: Any) -> Stmt:
    """``stmt`` with ``change(expr)`` in place of every expression that stands in it. All of its
    statements are new ones: two copies of a statement are never the same object."""
    match stmt:
        case Store(buffer=buffer, indices=indices, value=value):
            return Store(buffer, tuple([change(i) for i in indices]), change(value))
        case Accumulate(indices=indices, values=values):
            places = tuple([change(i) for i in indices])
            parts = tuple([change(v) for v in values])
            return Accumulate(stmt.combiner, stmt.buffers, places, parts)
        case For(var=var, extent=extent, kind=kind, annotations=annotations):
            return For(var, extent, map_exprs(stmt.body, change), kind, annotations)
        case Seq():
            return seq(*[map_exprs(s, change) for s in stmt.stmts])
        case Allocate():
            return Allocate(stmt.buffers, map_exprs(stmt.body, change))
        case While():
            return While(change(stmt.condition), map_exprs(stmt.body, change))
        case If():
            other = None if stmt.otherwise is None else map_exprs(stmt.otherwise, change)
            return If(change(stmt.condition), map_exprs(stmt.then, change), other)
        case Block():
            return replace(
                stmt,
                iters=tuple(Iter(it.axis, change(it.binding)) for it in stmt.iters),
                body=map_exprs(stmt.body, change),
                init=None if stmt.init is None else map_exprs(stmt.init, change),
                predicate=None if stmt.predicate is None else change(stmt.predicate),
                reads=_map_regions(stmt.reads, change),
                writes=_map_regions(stmt.writes, change),
            )
        case Evaluate():
            return Evaluate(stmt.name, tuple(_map_argument(arg, change) for arg in stmt.args))


def _map_argument(arg: Expr | Buffer | Region, change: Any) -> Expr | Buffer | Region:
    match arg:
        case Region():
            return replace(arg, starts=tuple(map(change, arg.starts)))
        case Expr():
            return change(arg)  # type: ignore[no-any-return]
        case _:
            return arg


def _map_regions(regions: tuple[Region, ...] | None, change: Any) -> tuple[Region, ...] | None:
    if regions is None:
        return None
    return tuple(replace(r, starts=tuple(map(change, r.starts))) for r in regions)
