"""promote_registers: what a reduction accumulates into stays in registers across its loop."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, pairwise

from ..ir.affine import Sum, as_sum, linear_in
from ..ir.expr import Const, Expr, Var, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    children_of,
    contiguous_strides,
    expressions_of,
    seq,
    walk,
)
from ..ir.rewrite import conjuncts, loads_of, substitute, substitute_numbers, variables_of
from ..records import cached_property, dataclass, replace
from .simplify_program import substitute_all

MOST_REGISTERS = 64  # sites beyond this stay in memory
_LANE = Var("lane")  # stands for the lanes of any site, so that conditions can be compared


@dataclass(eq=False)
class _Site:
    """One Accumulate, the vector loop around it (if any) and the conditions in between."""

    update: Accumulate
    lane: Var | None
    lanes: int
    tests: tuple[Expr, ...]  # outside the lane variable's reach or affine in it
    key: tuple[object, ...] = ()
    registers: tuple[Buffer, ...] = ()
    start: tuple[Expr, ...] | None = None  # known initial constants
    held: tuple[Expr, ...] = ()  # keeps alive what ``key`` names by identity

    @cached_property
    def folds_lanes(self) -> bool:
        """Whether all lanes meet in one element."""
        return self.lane is not None and all(
            linear_in(index, self.lane) == 0 for index in self.update.indices
        )

    @cached_property
    def target_tests(self) -> tuple[Expr, ...]:
        """The conditions on the target: those on lanes that are folded are not among them."""
        parts = [part for test in self.tests for part in conjuncts(test)]
        if self.lane is None or not self.folds_lanes:
            return tuple(parts)
        return tuple(part for part in parts if self.lane not in set(variables_of(part)))

    @cached_property
    def point(self) -> tuple[Expr, ...]:
        """The indices of the first lane."""
        if self.lane is None:
            return self.update.indices
        fixed = {self.lane: 0}
        return tuple([substitute_numbers(index, fixed) for index in self.update.indices])


def promote_registers(program: Program) -> Program:
    """``for k: C[i] += v(k)`` -> ``acc = C[i]; for k: acc += v(k); C[i] = acc``.

    Done for a serial loop whose body is nothing but accumulations (in vector loops or alone) into
    elements that do not change while it runs, and stores to other buffers. A constant stored to the
    same elements right before the loop, under no other conditions, becomes the first value of the
    register instead; where it is stored under fewer, the store stays as well. The loop must not
    read what it accumulates.
    """
    return program.with_body(_promote(program.body))


def _promote(stmt: Stmt) -> Stmt:
    match stmt:
        case Seq():
            return _promote_sequence(stmt.stmts)
        case For(kind=LoopKind.SERIAL):
            return _promote_sequence((stmt,))
        case For(kind=LoopKind.VECTORIZED):
            return _promote_lanes(stmt)
        case For() | Allocate() | While():
            return replace(stmt, body=_promote(stmt.body))
        case If():
            other = None if stmt.otherwise is None else _promote(stmt.otherwise)
            return If(stmt.condition, _promote(stmt.then), other)
        case _:
            return stmt


def _promote_lanes(loop: For) -> Stmt:
    """``for lane: C[lane] += a; C[lane] += b`` -> ``for lane: C[lane] += a``, then the same with b:
    so they run anyway, each for all lanes at once. What is outside of lanes has registers for all
    of them; one inside of lanes would be shared."""
    if not isinstance(loop.body, Seq) or not all(map(_is_flat, loop.body.stmts)):
        return loop
    parts: list[Stmt] = []
    for part in loop.body.stmts:
        fresh = Var(loop.var.name)
        parts.append(replace(loop, var=fresh, body=substitute_all(part, {loop.var: fresh})))
    promoted = _promote_sequence(tuple(parts))
    is_better = any(isinstance(stmt, Allocate) for stmt in walk(promoted))
    return promoted if is_better else loop


def _is_flat(stmt: Stmt) -> bool:
    match stmt:
        case Store() | Accumulate():
            return True
        case If(then=then, otherwise=None):
            return _is_flat(then)
        case _:
            return False


def _promote_sequence(stmts: tuple[Stmt, ...]) -> Stmt:
    out: list[Stmt] = []
    for stmt in _runs(stmts):
        if isinstance(stmt, For) and stmt.kind is LoopKind.SERIAL:
            sites = _sites(stmt)
            if sites is None:
                out.append(replace(stmt, body=_merge(stmt.body)))
            else:
                out.append(_promoted(stmt, sites, out))
        elif isinstance(stmt, Seq):
            out.append(_merged(stmt, out) or stmt)
        else:
            out.append(_promote(stmt))
    return seq(*out)


def _runs(stmts: tuple[Stmt, ...]) -> list[Stmt]:
    """The statements, accumulations that follow each other as one."""
    out: list[Stmt] = []
    for is_run, found in groupby(stmts, _accumulates):
        run = tuple(found)
        out.extend([Seq(run)] if is_run and len(run) > 1 else run)
    return out


def _accumulates(stmt: Stmt) -> bool:
    """Whether a statement is nothing but accumulations, in lanes or alone."""
    match stmt:
        case Seq():
            return all(map(_accumulates, stmt.stmts))
        case For(kind=LoopKind.VECTORIZED):
            return _accumulates(stmt.body)
        case If(otherwise=None):
            return _accumulates(stmt.then)
        case _:
            return isinstance(stmt, Accumulate)


def _merge(body: Stmt) -> Stmt:
    """``body`` promoted as a whole if it accumulates again and again into the same."""
    merged = _merged(body, []) if isinstance(body, Seq) else None
    return _promote(body) if merged is None else merged


def _merged(body: Seq, before: list[Stmt]) -> Stmt | None:
    """``C[i] += a; C[i] += b`` -> ``acc = C[i]; acc += a; acc += b; C[i] = acc``; None where
    nothing is accumulated into twice."""
    once = For(Var("once"), 1, body)
    sites = _sites(once)
    if sites is None or len({site.key for site in sites}) == len(sites):
        return None
    held = _promoted(once, sites, before)
    assert isinstance(held, Allocate) and isinstance(held.body, Seq)
    unwrapped = (s.body if isinstance(s, For) and s.var is once.var else s for s in held.body.stmts)
    return Allocate(held.buffers, seq(*unwrapped))


def _sites(loop: For) -> list[_Site] | None:
    """The accumulations in ``loop`` if it consists of nothing else and they can be promoted."""
    sites: list[_Site] = []
    if not _collect(loop.body, None, 1, (), sites) or not sites:
        return None
    changing = {loop.var} | {
        n.var for n in walk(loop.body) if isinstance(n, For) and n.kind is not LoopKind.VECTORIZED
    }
    targets = {buffer for site in sites for buffer in site.update.buffers}
    for stmt in walk(loop):
        if isinstance(stmt, Store) and stmt.buffer in targets:
            return None
        for expr in expressions_of(stmt):
            if any(node.source in targets for node in loads_of(expr)):
                return None
    first: dict[tuple[object, ...], _Site] = {}
    for site in sites:
        if any(changing.intersection(variables_of(i)) for i in site.update.indices):
            return None
        if not _lane_is_last(site):
            return None
        site.key = _key(site)
        first.setdefault(site.key, site)
    if len(first) > MOST_REGISTERS or not _disjoint(list(first.values())):
        return None
    for site in first.values():  # conditions on the target must not change while the loop runs
        if any(changing.intersection(variables_of(t)) for t in site.tests):
            return None
    return sites


def _collect(
    stmt: Stmt, lane: Var | None, lanes: int, tests: tuple[Expr, ...], out: list[_Site]
) -> bool:
    match stmt:
        case Seq():
            return all(_collect(s, lane, lanes, tests, out) for s in stmt.stmts)
        case For(kind=LoopKind.VECTORIZED):
            return lane is None and _collect(stmt.body, stmt.var, stmt.extent, tests, out)
        case For(kind=LoopKind.SERIAL):
            return lane is None and not tests and _collect(stmt.body, None, 1, tests, out)
        case If(otherwise=None):
            return _collect(stmt.then, lane, lanes, (*tests, stmt.condition), out)
        case Accumulate():
            out.append(_Site(stmt, lane, lanes, tests))
            return True
        case Store():
            return True
        case _:
            return False


def _lane_is_last(site: _Site) -> bool:
    """The lanes must be neighbours in memory, or all hit the same element."""
    if site.lane is None:
        return True
    steps = [linear_in(index, site.lane) for index in site.update.indices]
    if all(step == 0 for step in steps):
        return True
    last = len(steps) - 1
    while last > 0 and all(b.shape[last] == 1 for b in site.update.buffers):
        last -= 1  # a dimension of one element moves nothing
    strides = {b.element_strides[last] if b.shape else 1 for b in site.update.buffers}
    others = (step for d, step in enumerate(steps) if d != last)
    return bool(steps) and steps[last] == 1 and all(s == 0 for s in others) and strides == {1}


def _key(site: _Site) -> tuple[object, ...]:
    """Equal for sites with the same target elements; the lane variable is left out."""
    fixed = {} if site.lane is None else {site.lane: _LANE}
    points = site.point
    width = 1 if site.folds_lanes else site.lanes
    tests = tuple(substitute(t, fixed) for t in site.target_tests)
    site.held = (*points, *tests)
    return (*map(id, site.update.buffers), tuple(map(id, points)), width, tuple(map(id, tests)))


def _disjoint(sites: list[_Site]) -> bool:
    """Whether different sites surely touch different elements of a buffer.

    They do if their indices differ by a constant in a dimension without lanes, or in the last one
    by no less than the lanes of the lower one; or else if their addresses differ so.
    """
    by_buffer: dict[Buffer, list[_Site]] = {}
    for site in sites:
        for buffer in site.update.buffers:
            by_buffer.setdefault(buffer, []).append(site)
    return all(
        _apart(found, _indices_of) or _apart(found, _address_of) for found in by_buffer.values()
    )


def _indices_of(site: _Site) -> list[Sum]:
    """Where the site's first lane is, dimension by dimension."""
    return [as_sum(index) for index in site.point] or [Sum((), 0)]


def _address_of(site: _Site) -> list[Sum]:
    """Where the site's first lane is, in elements from the start of the buffer."""
    total = Sum((), 0)
    strides = contiguous_strides(site.update.buffers[0].shape)
    for stride, place in zip(strides, _indices_of(site), strict=False):
        total = total.plus(place, stride)
    return [total]


def _apart(sites: list[_Site], place: Callable[[_Site], list[Sum]]) -> bool:
    """Whether the places of the sites differ by constants that keep their lanes apart."""
    shape: tuple[object, ...] | None = None
    spans: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for site in sites:
        sums = place(site)
        terms = tuple(tuple(sorted((id(atom), c) for atom, c in s.terms)) for s in sums)
        shape = terms if shape is None else shape
        if terms != shape:
            return False
        site.held = (*site.held, *(atom for s in sums for atom, _ in s.terms))
        width = 1 if site.lane is None or site.folds_lanes else site.lanes
        *outer, last = [s.constant for s in sums]
        spans.setdefault(tuple(outer), []).append((last, width))
    for found in spans.values():
        found.sort()
        if any(a + width > b for (a, width), (b, _) in pairwise(found)):
            return False
    return True


def _promoted(loop: For, sites: list[_Site], before: list[Stmt]) -> Stmt:
    """The loop over registers, which take over constants that the end of ``before`` stores."""
    firsts: dict[tuple[object, ...], _Site] = {}
    registers: list[Buffer] = []
    for site in sites:
        lead = firsts.setdefault(site.key, site)
        if lead is site:
            shape = () if site.lane is None or site.folds_lanes else (site.lanes,)
            site.registers = tuple(
                Buffer("acc", shape, b.dtype, scope=Scope.REGISTER) for b in site.update.buffers
            )
            registers.extend(site.registers)
        site.registers = lead.registers
    _take_constants(firsts, before)
    swap = {id(site.update): site for site in sites}
    body = _swap(loop.body, swap)
    prologue = [_load_site(site) for site in firsts.values()]
    epilogue = [_store_site(site) for site in firsts.values()]
    return Allocate(tuple(registers), seq(*prologue, replace(loop, body=body), *epilogue))


def _swap(stmt: Stmt, sites: dict[int, _Site]) -> Stmt:
    match stmt:
        case Seq():
            return seq(*(_swap(s, sites) for s in stmt.stmts))
        case For():
            return replace(stmt, body=_swap(stmt.body, sites))
        case If():
            return If(stmt.condition, _swap(stmt.then, sites))
        case Accumulate():
            site = sites[id(stmt)]
            point = () if site.lane is None or site.folds_lanes else (site.lane,)
            return Accumulate(stmt.combiner, site.registers, point, stmt.values)
        case Store():
            return stmt
        case _:
            raise AssertionError(type(stmt))


def _load_site(site: _Site) -> Stmt:
    return _site_loop(site, to_registers=True)


def _store_site(site: _Site) -> Stmt:
    return _site_loop(site, to_registers=False)


def _site_loop(site: _Site, to_registers: bool) -> Stmt:
    """Copy between the site's elements and its registers, lane by lane, under its conditions."""
    scalar = site.lane is None or site.folds_lanes
    fresh = Var("lane")
    mapping: dict[Var, Expr] = {} if site.lane is None else {site.lane: fresh}
    point: tuple[Expr, ...] = () if scalar else (fresh,)
    indices = tuple(substitute(i, mapping) for i in site.update.indices)
    copies: list[Stmt] = []
    for n, (buffer, register) in enumerate(zip(site.update.buffers, site.registers, strict=True)):
        if not to_registers:
            copies.append(Store(buffer, indices, load(register, point)))
        elif site.start is not None:
            copies.append(Store(register, point, site.start[n]))
        else:
            copies.append(Store(register, point, load(buffer, indices)))
    body = seq(*copies)
    if not (to_registers and site.start is not None):
        for test in reversed(site.target_tests):
            body = If(substitute(test, mapping), body)
    return body if scalar else For(fresh, site.lanes, body, LoopKind.VECTORIZED)


def _take_constants(firsts: dict[tuple[object, ...], _Site], before: list[Stmt]) -> None:
    """Move constant stores that directly precede the loop into the registers' first values."""
    wanted: dict[tuple[object, ...], tuple[_Site, int]] = {}
    held: list[Expr] = []  # keys name expressions by identity, so those must live
    for site in firsts.values():
        width = 1 if site.lane is None or site.folds_lanes else site.lanes
        point = tuple(map(id, site.point))
        for n, buffer in enumerate(site.update.buffers):
            wanted[(id(buffer), point, width)] = (site, n)
    found: dict[_Site, dict[int, Const]] = {}
    position = len(before) - 1
    consumed: list[int] = []
    while position >= 0:
        stores = _constant_stores(before[position], held)
        hits = [wanted.get(key) for key, _, _ in stores] if stores else []
        if not hits or any(hit is None for hit in hits):
            break
        pairs = list(zip(hits, stores or [], strict=True))
        if any(hit and not tests <= _tests_of(hit[0], held) for hit, (_, _, tests) in pairs):
            break
        for hit, (_, value, _) in pairs:
            assert hit is not None
            found.setdefault(hit[0], {}).setdefault(hit[1], value)
        if all(hit and tests == _tests_of(hit[0], held) for hit, (_, _, tests) in pairs):
            consumed.append(position)  # else it stores where nothing is written back, too
        position -= 1
    complete = {s for s, parts in found.items() if len(parts) == len(s.registers)}
    if len(complete) != len(found) or not complete:
        return
    for site in complete:
        site.start = tuple(found[site][n] for n in range(len(site.registers)))
    for index in consumed:
        before[index] = Seq(())


def _tests_of(site: _Site, held: list[Expr]) -> frozenset[int]:
    """The conditions under which the site's elements are written back."""
    fixed = {} if site.lane is None else {site.lane: _LANE}
    parts = [substitute(test, fixed) for test in site.target_tests]
    held.extend(parts)
    return frozenset(map(id, parts))


_ConstantStore = tuple[tuple[object, ...], Const, frozenset[int]]


def _constant_stores(stmt: Stmt, held: list[Expr]) -> list[_ConstantStore] | None:
    """(target key, constant, conditions) of every store in ``stmt`` if it holds nothing else."""
    lane: Var | None = None
    width = 1
    out: list[_ConstantStore] = []
    stack: list[tuple[Stmt, frozenset[int]]] = [(stmt, frozenset())]
    while stack:
        node, tests = stack.pop()
        fixed = {} if lane is None else {lane: 0}
        match node:
            case For(kind=LoopKind.VECTORIZED) if lane is None:
                lane, width = node.var, node.extent
            case If(condition=test, otherwise=None):
                named = {} if lane is None else {lane: _LANE}
                parts = [substitute(part, named) for part in conjuncts(test)]
                held.extend(parts)
                tests = tests.union(map(id, parts))
            case Seq():
                pass
            case Store(value=Const() as value):
                points = [substitute_numbers(i, fixed) for i in node.indices]
                held.extend(points)
                out.append(((id(node.buffer), tuple(map(id, points)), width), value, tests))
            case _:
                return None
        stack.extend((child, tests) for child in reversed(children_of(node)))
    return out
