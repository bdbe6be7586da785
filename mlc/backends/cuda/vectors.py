"""Vectorized loops as accesses of two or four elements at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ...dtypes import DType
from ...ir.affine import Sum, as_sum
from ...ir.expr import Apply, Cast, Const, Expr, Load, Select, Var, const, load
from ...ir.lanes import padded_load, same_for_lanes
from ...ir.program import Accumulate, Buffer, For, If, LoopKind, Scope, Stmt, Store
from ...ir.rewrite import conjuncts, loads_of, rewrite, substitute, variables_of
from ...ir.simplify import simplify
from ...lower.cuda.overlap_stages import ASYNC, is_word_copy
from .expressions import flat_index
from .functions import CHOICE, c_type

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
    elements, or eight of 16 bits; and so where only one of both is such a run. False where none is:
    nothing is printed."""
    match loop.body:
        case Store(buffer=target, indices=indices, value=value):
            pass
        case _:
            return False
    var = loop.var
    kind = _vector_of(target.dtype, loop.extent)
    if kind is not None and not _is_run(printer, target, indices, var, loop.extent):
        kind = None
    padded = padded_load(value)
    if kind is not None and padded is not None and _padded_copy(printer, loop, kind, *padded):
        return True
    runs = _runs(printer, value, var, loop.extent)
    if kind is None and not any(node.source.scope is Scope.GLOBAL for node in runs):
        return False
    if kind is not None and not runs and not loads_of(value) and _names(value, var):
        return False
    first: dict[Var, Expr] = {var: const(0)}
    start = tuple(substitute(i, first) for i in indices)
    if kind is not None and isinstance(value, Load) and runs.get(value) == kind:
        size = loop.extent * target.dtype.itemsize
        is_fetch = target.scope is Scope.SHARED and value.source.scope is Scope.GLOBAL
        to = printer.address(target, start)
        if is_fetch and dict(loop.annotations).get(ASYNC):
            places = tuple(substitute(i, first) for i in value.indices)
            source = printer.address(value.source, places)
            printer.copy_late(f"{size}({to}, {source})")
            return True
        printer.line(f"*reinterpret_cast<{kind} *>({to}) = {_read(printer, value, first, kind)};")
        return True
    with _held(printer, runs, first, loop.extent) as held:
        lanes = [{var: const(lane)} for lane in range(loop.extent)]
        values = [printer.flat(_in_lane(printer, value, held, at)) for at in lanes]
        with printer.sharing(values):
            parts = [printer.stored(each) for each in values]
            if kind is not None:
                _write(printer, target, start, kind, parts)
                return True
            for at, part in zip(lanes, parts, strict=True):
                cell = printer.element(target, tuple(substitute(i, at) for i in indices))
                printer.line(f"{cell} = {part};")
    return True


def _padded_copy(printer: Statements, loop: For, kind: str, test: Expr, inside: Load) -> bool:
    """``for l in vectorized(4): S[4 * i + l] = A[4 * j + l] if c else 0``, where ``c`` is the same
    for all lanes, as a load and a store of four elements; False where it is not that."""
    assert isinstance(loop.body, Store)
    target, var, lanes = loop.body.buffer, loop.var, loop.extent
    first: dict[Var, Expr] = {var: const(0)}
    source, places = inside.source, tuple(substitute(i, first) for i in inside.indices)
    start = tuple(substitute(i, first) for i in loop.body.indices)
    whole = _for_all_lanes(printer, test, loop)
    if whole is None or inside.dtype is not target.dtype:
        return False
    if not _is_run(printer, source, inside.indices, var, lanes):
        return False
    is_fetch = target.scope is Scope.SHARED and source.scope is Scope.GLOBAL
    if is_fetch and dict(loop.annotations).get(ASYNC):
        _copy_or_zero(printer, lanes * target.dtype.itemsize, target, start, source, places, whole)
        return True
    with printer.sharing((whole,)):
        test_text = printer.value(whole).at(CHOICE + 1)
        read = f"*reinterpret_cast<const {kind} *>({printer.address(source, places)})"
        to = f"*reinterpret_cast<{kind} *>({printer.address(target, start)})"
        printer.line(f"{to} = {test_text} ? {read} : {kind}{{}};")
    return True


def _for_all_lanes(printer: Statements, test: Expr, loop: For) -> Expr | None:
    """A condition as that for the first lane, if it is the same for all."""

    def sums(compared: Expr) -> Expr:
        return rewrite(compared, lambda node: _without_lane(node, loop.var, loop.extent))

    return same_for_lanes(printer.flat(test), loop.var, loop.extent, sums)


def _copy_or_zero(
    printer: Statements,
    size: int,
    target: Buffer,
    at: tuple[Expr, ...],
    source: Buffer,
    places: tuple[Expr, ...],
    test: Expr,
) -> None:
    """``size`` bytes, or as many zeros, come by themselves while the thread goes on."""
    with printer.sharing((test,)):
        valid = f"{printer.value(test).at(CHOICE + 1)} ? {size} : 0"
        to, source_text = printer.address(target, at), printer.address(source, places)
        printer.copy_late(f"{size}_zero({to}, {source_text}, {valid})")


def late_copy(printer: Statements, stmt: Stmt) -> bool:
    """``S[i] = A[j]`` of 4 or 8 bytes, or 0 under a condition, done by itself while the thread goes
    on; False where it is not such a copy: nothing is printed."""
    if not isinstance(stmt, Store) or not is_word_copy(stmt):
        return False
    target, at, value = stmt.buffer, stmt.indices, stmt.value
    size = target.dtype.itemsize
    if (padded := padded_load(value)) is not None:
        test, inside = padded
        made = printer.flat(test)
        _copy_or_zero(printer, size, target, at, inside.source, inside.indices, made)
        return True
    assert isinstance(value, Load)
    source = printer.address(value.source, value.indices)
    printer.copy_late(f"{size}({printer.address(target, at)}, {source})")
    return True


def vector_or_rest(printer: Statements, loop: For) -> bool:
    """``for l in vectorized(4): if 4 * i + l < n: ...`` as a vector where all lanes are within, and
    lane by lane where the last are not, if that can be; False where the loop is not of that form:
    nothing is printed."""
    match loop.body:
        case If(condition=condition, then=Store() as then, otherwise=None):
            pass
        case _:
            return False
    tests = conjuncts(condition)
    if not all(_is_upper_bound(test, loop.var) for test in tests if _names(test, loop.var)):
        return False
    whole = substitute(condition, {loop.var: const(loop.extent - 1)})
    together = _for_all_lanes(printer, condition, loop)
    test = printer.value(printer.flat(whole) if together is None else together).text
    begin, depth = len(printer.lines), printer.depth
    with printer.block(f"if ({test})", "} else {" if together is None else "}"):
        is_vector = vector_copy(printer, replace(loop, body=then))
    if not is_vector:
        del printer.lines[begin:]
        return False
    if together is not None:
        return True
    printer.depth = depth + 1
    printer.loop(For(loop.var, loop.extent, loop.body, LoopKind.UNROLLED))
    printer.depth = depth
    printer.line("}")
    return True


def _is_upper_bound(test: Expr, var: Var) -> bool:
    """Whether ``test`` holds for all lanes up to the last for which it holds."""
    match test:
        case Apply(fn="lt" | "le", args=(a, Const() | Load(indices=()))):
            total = as_sum(a)
            others = (atom for atom, _ in total.terms if atom is not var)
            return total.coefficient(var) > 0 and not any(_names(atom, var) for atom in others)
    return False


def vector_fold(printer: Statements, loop: For) -> bool:
    """``for l in unrolled(4): t += f(A[4 * j + l])`` as a load of four elements, and what is done
    with each of them; False where the loop is not of that form: nothing is printed."""
    match loop.body:
        case Accumulate(buffers=(target,), indices=indices, values=(value,), combiner=combiner):
            pass
        case _:
            return False
    var = loop.var
    if any(_names(index, var) for index in indices):
        return False
    condition: Expr | None = None
    match value:  # of elements that are left out nothing is read
        case Select(condition=test, then=then, otherwise=Const(value=neutral)) if (
            not _names(test, var) and neutral == combiner.identity[0].value
        ):
            condition, value = test, then
    runs = _runs(printer, value, var, loop.extent)
    if target in {node.source for node in loads_of(value)}:
        return False
    if not any(node.source.scope in (Scope.GLOBAL, Scope.SHARED) for node in runs):
        return False
    head = "" if condition is None else f"if ({printer.value(condition).text}) "
    with _held(printer, runs, {var: const(0)}, loop.extent, head) as held:
        for lane in range(loop.extent):
            part = printer.flat(_in_lane(printer, value, held, {var: const(lane)}))
            (new,) = combiner.combine((load(target, indices),), (part,))
            with printer.sharing((part,)):
                printer.assign(printer.element(target, indices), new)
    return True


def _runs(printer: Statements, value: Expr, var: Var, lanes: int) -> dict[Load, str]:
    """The loads in ``value`` of neighbours that may be read at once, each with the type of all."""
    found: dict[Load, str] = {}
    for node in _certain_loads(value):
        if not _names(node, var):
            continue
        if any(_names(inner, var) for index in node.indices for inner in loads_of(index)):
            continue
        kind = _vector_of(node.source.dtype, lanes)
        if kind is not None and _is_run(printer, node.source, node.indices, var, lanes):
            found[node] = kind
    return found


@contextmanager
def _held(
    printer: Statements,
    runs: Mapping[Load, str],
    first: dict[Var, Expr],
    lanes: int,
    head: str = "",
) -> Iterator[dict[Load, str]]:
    """A block of text in which what ``runs`` read has names."""
    known = dict(printer.names), set(printer.identifiers.taken)
    printer.line(f"{head}{{")
    printer.depth += 1
    held: dict[Load, str] = {}
    for node, kind in runs.items():
        name = printer.identifiers.fresh(f"{node.source.name}_{lanes}")
        printer.line(f"const {kind} {name} = {_read(printer, node, first, kind)};")
        held[node] = name
    yield held
    printer.depth -= 1
    printer.line("}")
    printer.names, printer.identifiers.taken = known


def _in_lane(
    printer: Statements, value: Expr, held: Mapping[Load, str], at: Mapping[Var, Const]
) -> Expr:
    """``value`` in one lane: of what was read at once it takes its element, as a scalar."""
    (lane,) = (int(number.value) for number in at.values())

    def on(node: Expr) -> Expr | None:
        name = held.get(node) if isinstance(node, Load) else None
        if name is None:
            return None
        dtype = node.dtype
        return printer.scalar(dtype, _lane(dtype, name, lane))

    return rewrite(substitute(rewrite(value, on), at), _decided)


def _decided(node: Expr) -> Expr | None:
    """``select(0 < 1, a, b)`` -> ``a``: what the number of a lane decides."""
    if isinstance(node, Select) and not variables_of(node.condition):
        test = simplify(node.condition)
        if isinstance(test, Const):
            return node.then if test.value else node.otherwise
    return None


def _write(
    printer: Statements, target: Buffer, start: tuple[Expr, ...], kind: str, parts: Sequence[str]
) -> None:
    """All lanes in one store."""
    place = f"*reinterpret_cast<{kind} *>({printer.address(target, start)})"
    if target.dtype.itemsize >= 4:
        printer.line(f"{place} = make_{kind}({', '.join(parts)});")
        return
    lanes = len(parts)
    name = printer.identifiers.fresh(f"{target.name}_{lanes}")
    size = lanes * target.dtype.itemsize
    printer.line(f"alignas({size}) const {c_type(target.dtype)} {name}[{lanes}] = {{")
    for part in parts:
        printer.line(f"  {part},")
    printer.line("};")
    printer.line(f"{place} = *reinterpret_cast<const {kind} *>({name});")


def _lane(dtype: DType, name: str, lane: int) -> str:
    """C for one element of what was read at once."""
    if dtype.itemsize >= 4:
        return f"{name}.{_FIELDS[lane]}"
    return f"reinterpret_cast<const {c_type(dtype)} *>(&{name})[{lane}]"


def _certain_loads(value: Expr) -> list[Load]:
    """The loads that are made whatever a select in ``value`` chooses, in order."""
    seen: set[Expr] = set()
    stack = [value]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        match node:
            case Load(indices=indices):
                stack.extend(indices)
            case Select(condition=condition):
                stack.append(condition)
            case Apply(args=args):
                stack.extend(args)
            case Cast(value=inner):
                stack.append(inner)
    return [node for node in loads_of(value) if node in seen]


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
