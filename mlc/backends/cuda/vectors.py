"""Vectorized loops as accesses of two or four elements at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dtypes import DType
from ...ir.affine import Sum, as_sum
from ...ir.expr import Apply, Cast, Const, Expr, Load, Select, Var, const
from ...ir.program import Buffer, For, Scope, Store
from ...ir.rewrite import loads_of, rewrite, substitute, variables_of
from ...lower.cuda.overlap_stages import ASYNC
from .expressions import flat_index
from .functions import Text, c_type, is_half

if TYPE_CHECKING:
    from .statements import Statements

_NAMES = {
    "float32": "float", "float64": "double", "int32": "int", "uint32": "uint",
}  # fmt: skip
_WORDS = {4: "unsigned", 8: "uint2", 16: "uint4"}  # by bytes
_FIELDS = "xyzw"
_MOST_BYTES = 16


def vector_copy(printer: Statements, loop: For) -> bool:
    """``for l in vectorized(4): S[4 * i + l] = f(A[4 * j + l])`` as a load and a store of four
    elements, or eight of 16 bits; False where the loop is not of that form: nothing is printed."""
    match loop.body:
        case Store(buffer=target, indices=indices, value=value):
            pass
        case _:
            return False
    kind = _vector_of(target.dtype, loop.extent)
    var = loop.var
    if kind is None or not _is_run(printer, target, indices, var, loop.extent):
        return False
    runs: dict[Load, str] = {}
    certain = _certain_loads(value)
    for load in loads_of(value):
        if not _names(load, var):
            continue
        if load not in certain:
            return False  # where it is not chosen, it may lie outside of the buffer
        if any(_names(inner, var) for index in load.indices for inner in loads_of(index)):
            return False
        other = _vector_of(load.source.dtype, loop.extent)
        if other is None or not _is_run(printer, load.source, load.indices, var, loop.extent):
            return False
        runs[load] = other
    if not runs and _names(value, var):
        return False
    first: dict[Var, Expr] = {var: const(0)}
    known = dict(printer.names), set(printer.identifiers.taken)
    start = tuple(substitute(i, first) for i in indices)
    place = f"*reinterpret_cast<{kind} *>({printer.address(target, start)})"
    is_copy = isinstance(value, Load) and value in runs and runs[value] == kind
    if is_copy and isinstance(value, Load):
        size = loop.extent * target.dtype.itemsize
        is_fetch = target.scope is Scope.SHARED and value.source.scope is Scope.GLOBAL
        if is_fetch and dict(loop.annotations).get(ASYNC):
            source = printer.address(
                value.source, tuple(substitute(i, first) for i in value.indices)
            )
            printer.line(f"mlc_cp_async_{size}({printer.address(target, start)}, {source});")
            return True
        printer.line(f"{place} = {_read(printer, value, first, kind)};")
        return True
    printer.line("{")
    printer.depth += 1
    held: dict[Load, str] = {}
    for load, other in runs.items():
        name = printer.identifiers.fresh(f"{load.source.name}_{loop.extent}")
        printer.line(f"const {other} {name} = {_read(printer, load, first, other)};")
        held[load] = name
    parts = []
    for lane in range(loop.extent):
        for load, name in held.items():
            printer.names[load] = Text(_lane(load.source.dtype, name, lane))
        printer.names[var] = Text(str(lane), narrow=True)
        parts.append(printer.stored(value))
    if target.dtype.itemsize < 4:
        name = printer.identifiers.fresh(f"{target.name}_{loop.extent}")
        size = loop.extent * target.dtype.itemsize
        element = c_type(target.dtype)
        printer.line(f"alignas({size}) const {element} {name}[{loop.extent}] = {{")
        for part in parts:
            printer.line(f"  {part},")
        printer.line("};")
        printer.line(f"{place} = *reinterpret_cast<const {kind} *>({name});")
    else:
        printer.line(f"{place} = make_{kind}({', '.join(parts)});")
    printer.depth -= 1
    printer.line("}")
    printer.names, printer.identifiers.taken = known
    return True


def _lane(dtype: DType, name: str, lane: int) -> str:
    """C for the value of one element of what was read at once."""
    if dtype.itemsize >= 4:
        return f"{name}.{_FIELDS[lane]}"
    element = f"reinterpret_cast<const {c_type(dtype)} *>(&{name})[{lane}]"
    return f"float({element})" if is_half(dtype) else element


def _certain_loads(value: Expr) -> set[Load]:
    """The loads that are made whatever a select in ``value`` chooses."""
    found: set[Load] = set()
    stack = [value]
    while stack:
        node = stack.pop()
        match node:
            case Load(indices=indices):
                found.add(node)
                stack.extend(indices)
            case Select(condition=condition):
                stack.append(condition)
            case Apply(args=args):
                stack.extend(args)
            case Cast(value=inner):
                stack.append(inner)
    return found


def _without_lane(node: Expr, var: Var, lanes: int) -> Expr | None:
    """``(x * 4 + lane) // 8`` -> ``x // 2``, and ``(x * 4 + lane) % 8`` -> ``x % 2 * 4 + lane``."""
    match node:
        case Apply(fn="floordiv" | "mod" as fn, args=(a, Const(value=d))) if d > 0:
            total = as_sum(a)
            rest = total.plus(as_sum(var), -total.coefficient(var))
            steps = (rest.constant, d, *(c for _, c in rest.terms))
            if total.coefficient(var) != 1 or any(step % lanes for step in steps):
                return None
            if any(_names(atom, var) for atom, _ in rest.terms):
                return None
            whole = Sum(tuple((e, c // lanes) for e, c in rest.terms), rest.constant // lanes)
            if fn == "floordiv":
                return whole.expr() // (d // lanes)
            return whole.expr() % (d // lanes) * lanes + var
    return None


def _names(expr: Expr, var: Var) -> bool:
    return any(v is var for v in variables_of(expr))


def _read(printer: Statements, load: Load, first: dict[Var, Expr], kind: str) -> str:
    start = tuple(substitute(i, first) for i in load.indices)
    return f"*reinterpret_cast<const {kind} *>({printer.address(load.source, start)})"


def _vector_of(dtype: DType, lanes: int) -> str | None:
    if dtype.itemsize < 4:  # words that hold the elements, whatever they are
        return _WORDS.get(lanes * dtype.itemsize)
    name = _NAMES.get(dtype.name)
    if name is None or lanes not in (2, 4) or lanes * dtype.itemsize > _MOST_BYTES:
        return None
    return f"{name}{lanes}"


def _is_run(
    printer: Statements, buffer: Buffer, indices: tuple[Expr, ...], var: Var, lanes: int
) -> bool:
    """Whether ``lanes`` elements lie side by side, from an address that is a multiple of their
    size together."""
    held = printer.lying.get(buffer, buffer)
    if held in printer.scalars or not buffer.aligned or buffer.scope is Scope.REGISTER:
        return False
    if buffer.strides is not None and buffer.scope is Scope.GLOBAL:
        return False  # it may begin anywhere
    place = flat_index(buffer, indices, {**printer.ranges, var: lanes})
    total = as_sum(rewrite(place, lambda node: _without_lane(node, var, lanes)))
    if total.coefficient(var) != 1 or total.constant % lanes:
        return False
    for atom, c in total.terms:
        if atom is var:
            continue
        if c % lanes or isinstance(atom, Const) or _names(atom, var):
            return False
    return True
