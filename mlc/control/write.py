"""Writes the program of a region: native loops and branches over buffers that hold the state.

Statements come in the order in which the user's function made their values, each after the other,
as NumPy runs them. A value of shape () lives in a register. An array is written where its readers
are, if it has one reader alone; else into memory of its own. ``x[i] = v`` writes to the memory of
``x`` itself where nobody reads the old ``x`` any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedError
from ..ir.expr import Expr, Load, Var, load
from ..ir.program import (
    Allocate,
    Buffer,
    If,
    Program,
    Scope,
    Seq,
    Stmt,
    Store,
    seq,
    walk,
)
from ..ir.rewrite import loads_of, substitute, substitute_loads
from ..ops.foreign import CHECKED, any_looks_outside
from ..te.extent import Extent
from ..te.tensor import Call, Compute, Tensor
from ..te.unset import is_unset
from .changing import place_to_change
from .evaluations import shape_of
from .nests import Span, reduce_nest, renamed, shortened, store_nest
from .region import Body, RegionCall, inputs_of
from .update import Stored, Update, beyond_kept, find_update, is_apart, same, whole_in
from .waiting import NEVER, is_lazy
from .write_regions import write_nested, write_region

if TYPE_CHECKING:
    from ..lower.replace_buffers import Place

NOTHING: Mapping[Any, Any] = {}


def region_program(call: RegionCall) -> Program:
    """The program of a region of the outermost graph: inputs, then the state after it."""
    names: dict[str, int] = {}
    w = Writer(names)
    params: list[Buffer] = []
    for tensor in call.inputs:
        buffer = Buffer(w.name(tensor.name), tensor.shape, tensor.dtype)
        params.append(buffer)
        if tensor.shape:
            w.where[tensor] = buffer
        else:
            w.exprs[tensor] = w.keep(load(buffer, ()), tensor.name)
    outputs: list[Buffer] = []
    targets: list[Buffer] = []
    for tensor in call.init:
        out = Buffer(w.name(f"{tensor.name}_after"), tensor.shape, tensor.dtype)
        outputs.append(out)
        if tensor.shape:
            if not is_unset(tensor):
                w.copy(tensor, out)
            targets.append(out)
        else:
            targets.append(w.register(tensor))
    assert call.region is not None
    write_region(w, call.region, targets)
    for out, target in zip(outputs, targets):
        if target is not out:
            w.emit(Store(out, (), load(target, ())))
    attrs: dict[str, Any] = {"unsafe": True, "noalias": True}
    if w.refusals:
        attrs["refusals"] = w.refusals
    if w.checked:
        attrs[CHECKED] = True
    if call.location is not None:
        attrs["location"] = call.location
    return Program(call.op, (*params, *outputs), w.finish(), len(outputs), attrs)


class Writer:
    """The statements of one body. ``exprs`` holds the values of shape (), ``where`` the arrays in
    memory, ``pending`` those that are written where they are read."""

    def __init__(self, names: dict[str, int], around: Writer | None = None) -> None:
        self.names = names
        self.exprs: dict[Tensor, Expr] = {} if around is None else dict(around.exprs)
        self.where: dict[Tensor, Buffer] = {} if around is None else dict(around.where)
        self.ranges: dict[Var, int] = {} if around is None else dict(around.ranges)
        self.refusals: dict[str, Any] = {} if around is None else around.refusals
        self.checked: list[bool] = [] if around is None else around.checked  # True: see `foreign`
        self.pending: dict[Tensor, None] = {}
        self.stored: dict[Tensor, Stored] = {}  # of those, what is in a part of another array
        self.made: dict[Any, list[Tensor]] = {}
        self.owned: set[Buffer] = set()
        self.last: dict[Tensor, int] = {}
        self.users: dict[Tensor, list[Any]] = {}
        self.position: dict[Any, int] = {}  # of each operation among the statements
        self.items: list[Stmt] = []
        self.temps: list[Buffer] = []

    def inside(self) -> Writer:
        """A writer of statements inside of these."""
        return Writer(self.names, self)

    # Places

    def name(self, wish: str) -> str:
        label = "".join(c if c.isalnum() else "_" for c in wish) or "t"
        count = self.names.get(label, 0)
        self.names[label] = count + 1
        return label if count == 0 else self.name(f"{label}_{count}")

    def emit(self, stmt: Stmt) -> None:
        self.items.append(stmt)

    def finish(self) -> Stmt:
        """All statements, with the memory that they need."""
        body = seq(*self.items) if self.items else Seq(())
        return Allocate(tuple(self.temps), body) if self.temps else body

    def register_for(self, expr: Expr, wish: str) -> Buffer:
        made = Buffer(self.name(wish), (), expr.dtype, scope=Scope.REGISTER)
        self.temps.append(made)
        self.emit(Store(made, (), expr))
        return made

    def register(self, tensor: Tensor) -> Buffer:
        """A register that holds the value of a tensor of shape () at first."""
        return self.register_for(self.exprs[tensor], tensor.name)

    def keep(self, expr: Expr, wish: str) -> Expr:
        """``expr``, evaluated now."""
        return load(self.register_for(expr, wish), ())

    def memory(self, like: Tensor, scope: Scope = Scope.SHARED) -> Buffer:
        made = Buffer(self.name(like.name), tuple(map(int, like.shape)), like.dtype, scope=scope)
        self.temps.append(made)
        self.owned.add(made)
        return made

    def copy(self, tensor: Tensor, target: Buffer) -> None:
        """``target[...] = tensor``."""
        spans = self.spans(tensor.shape)
        self.emit(store_nest(spans, lambda i: Store(target, tuple(i), self.element(tensor, i))))

    def spans(self, shape: Sequence[int]) -> list[Span]:
        return [self.span(n) for n in shape]

    def span(self, extent: Any) -> Span:
        if isinstance(extent, Extent):
            return Span(int(extent), self.exprs[extent.length])
        return Span(extent)

    # Values

    def element(self, tensor: Tensor, indices: Sequence[Expr]) -> Expr:
        """``tensor[indices]`` as it is at present."""
        found = self.exprs.get(tensor)
        if found is not None:
            return found
        buffer = self.begun(tensor) if is_unset(tensor) else self.where.get(tensor)
        if buffer is not None:
            return load(buffer, tuple(shortened(i, self.ranges) for i in indices))
        assert tensor in self.pending and isinstance(tensor.op, Compute), tensor.name
        if tensor in self.stored:
            return self.stored[tensor].element([shortened(i, self.ranges) for i in indices])
        body = tensor.op.body[tensor.index]
        return self.value(body, dict(zip(tensor.op.axes, indices)))

    def value(self, expr: Expr, mapping: dict[Any, Expr]) -> Expr:
        """An expression over tensors as one over buffers."""

        def on_load(node: Load) -> Expr | None:
            if not isinstance(node.source, Tensor):
                return None
            return self.element(node.source, node.indices)

        return substitute_loads(substitute(expr, mapping), on_load)

    def begun(self, tensor: Tensor) -> Buffer:
        """Memory for an array of which no element has a value yet."""
        if tensor not in self.where:
            self.where[tensor] = self.memory(tensor)
        return self.where[tensor]

    def settle(self, tensor: Tensor) -> None:
        """Have ``tensor`` in memory, or in a register."""
        if is_unset(tensor):
            self.begun(tensor)
        if tensor in self.pending:
            target = self.memory(tensor)
            self.copy(tensor, target)
            del self.pending[tensor]
            self.where[tensor] = target

    def reads(self, tensor: Tensor, but: Tensor | None = None) -> set[Buffer]:
        """The buffers that a pending tensor will read, without those for ``but``."""
        found: set[Buffer] = set()
        stack, seen = [tensor], {but}
        while stack:
            here = stack.pop()
            if here in seen:
                continue
            seen.add(here)
            if here in self.where:
                found.add(self.where[here])
            elif here in self.stored:
                found.update(self.stored[here].reads())
            elif here in self.exprs:
                found.update(node.source for node in loads_of(self.exprs[here]))
            else:
                stack.extend(here.inputs)
        return found

    def flush(
        self, buffer: Buffer, position: int, stored: Tensor | None = None,
        place: tuple[Expr, ...] | None = None, ranges: Mapping[Var, int] = NOTHING,
    ) -> None:  # fmt: skip
        """Evaluate what reads ``buffer`` as it was before this statement, and is needed later. The
        statement writes it at ``place`` for variables in ``ranges``, or anywhere; ``stored`` will
        be found there."""
        for tensor in list(self.pending):
            if self.last[tensor] > position and buffer in self.reads(tensor, stored):
                if place is None or not self.misses(tensor, buffer, place, ranges):
                    self.settle(tensor)

    def misses(
        self, tensor: Tensor, buffer: Buffer, place: tuple[Expr, ...], ranges: Mapping[Var, int]
    ) -> bool:
        """Whether a pending tensor reads no element of ``buffer`` at ``place``."""
        point = {Var(f"i{d}"): int(n) for d, n in enumerate(tensor.shape)}
        ranges = {**ranges, **point}
        value = shortened(self.element(tensor, list(point)), ranges)
        found = [n.indices for n in loads_of(value) if n.source is buffer]
        return all(is_apart(indices, place, list(point), ranges) for indices in found)

    # Bodies

    def body(self, body: Body, targets: Sequence[Buffer] | None) -> list[Expr]:
        """The statements of a body whose params are in place. Its outputs go to ``targets``;
        without those, the outputs, of shape (), are returned."""
        members = body.members()
        steps = list(dict.fromkeys(t.op for t in members))
        if not self.checked and any_looks_outside(s for s in steps if type(s) is not RegionCall):
            self.checked.append(True)
        made: dict[Any, list[Tensor]] = {}
        for tensor in members:
            made.setdefault(tensor.op, []).append(tensor)
        self.made = made
        self.position = {op: position for position, op in enumerate(steps)}
        for position, op in enumerate(steps):
            for tensor in inputs_of(made[op][0]):
                self.last[tensor] = position
                self.users.setdefault(tensor, []).append(op)
        for tensor in body.outputs:
            self.last[tensor] = NEVER
        if targets is not None:
            self.owned.update(targets)
        for position, op in enumerate(steps):
            match op:
                case RegionCall():
                    write_nested(self, op, made[op], position)
                case Call():
                    self.call(op, made[op], position)
                case Compute():
                    self.compute(op, made[op], position)
        if targets is None:
            return [self.element(t, ()) for t in body.outputs]
        self.store_outputs(body.outputs, targets)
        return []

    def store_outputs(self, outputs: Sequence[Tensor], targets: Sequence[Buffer]) -> None:
        """All outputs to their targets at once: what reads a target is evaluated before."""
        pairs = [(o, t) for o, t in zip(outputs, targets) if self.holds(o) is not t]
        written = {target for _, target in pairs}
        ready: list[tuple[Tensor, Buffer, Expr | None]] = []
        value: Expr | None
        for output, target in pairs:
            if not output.shape:
                value = self.exprs[output]
                if len(written) > 1 and any(n.source in written for n in loads_of(value)):
                    value = self.keep(value, output.name)
                ready.append((output, target, value))
                continue
            source = self.where.get(output)
            reads = {source} if source is not None else self.reads(output)
            if reads & written and not (
                reads & written == {target} and self.is_pointwise(output, target)
            ):
                fresh = self.memory(output)
                self.copy(output, fresh)
                self.pending.pop(output, None)
                self.where[output] = fresh
            ready.append((output, target, None))
        for output, target, value in ready:
            if value is not None:
                self.emit(Store(target, (), value))
            else:
                self.copy(output, target)

    def holds(self, tensor: Tensor) -> Buffer | None:
        """The buffer in which a tensor is, if it is in one."""
        if tensor in self.where:
            return self.where[tensor]
        found = self.exprs.get(tensor)
        return found.source if isinstance(found, Load) and not found.indices else None

    def is_pointwise(self, tensor: Tensor, buffer: Buffer) -> bool:
        """Whether element i of a pending tensor reads nothing of ``buffer`` but element i."""
        point = tuple(Var(f"i{d}") for d in range(tensor.ndim))
        value = self.element(tensor, point)
        return all(same(n.indices, point) for n in loads_of(value) if n.source is buffer)

    # Statements

    def compute(self, op: Compute, tensors: list[Tensor], position: int) -> None:
        if op.reduction is not None:
            self.reduction(op, tensors)
            return
        for tensor in tensors:
            if not tensor.shape:
                value = shortened(self.value(op.body[tensor.index], {}), self.ranges)
                is_index = not loads_of(value)
                self.exprs[tensor] = value if is_index else self.keep(value, tensor.name)
                continue
            update = find_update(op, tensor)
            if update is not None and self.in_place(update, tensor, position):
                continue
            self.pending[tensor] = None
            if not is_lazy(self, op, tensor):
                self.settle(tensor)

    def reduction(self, op: Compute, tensors: list[Tensor]) -> None:
        root = op.reduction
        assert root is not None
        if self.product(op, tensors):
            return
        by_index = {t.index: t for t in tensors}
        targets = []
        for n in range(len(op.body)):
            part = by_index.get(n)
            like = part or Tensor("unused", shape_of(op), op.body[n].dtype, op, n)
            if like.shape:
                targets.append(self.memory(like))
            else:
                made = Buffer(self.name(like.name), (), like.dtype, scope=Scope.REGISTER)
                self.temps.append(made)
                targets.append(made)
        spatial = [self.span(a.extent) for a in op.axes]
        reduced = [self.span(a.extent) for a in root.axes]
        axes = (*op.axes, *root.axes)

        def values(i: list[Expr], k: list[Expr]) -> tuple[Expr, ...]:
            mapping: dict[Any, Expr] = dict(zip(axes, (*i, *k)))
            return tuple(self.value(v, mapping) for v in root.values)

        self.emit(reduce_nest(targets, spatial, reduced, root.combiner, tuple, values))
        for n, tensor in by_index.items():
            if tensor.shape:
                self.where[tensor] = targets[n]
            else:
                self.exprs[tensor] = load(targets[n], ())

    def product(self, op: Compute, tensors: list[Tensor]) -> bool:
        """Whether ``op`` was written as a product of matrices."""
        from .products import scheduled_product, with_places

        found = scheduled_product(op, tensors)
        if found is None:
            return False
        program, scratch = found
        for tensor in op.inputs:
            self.settle(tensor)
        held = {t: self.memory(t) for t in (*scratch, *tensors)}
        inputs = tuple(dict.fromkeys(op.inputs))
        buffers = [*(self.where[t] for t in inputs), *(held[t] for t in (*scratch, *tensors))]
        self.emit(with_places(program, dict(zip(program.params, buffers, strict=True))))
        self.where.update({t: held[t] for t in tensors})
        return True

    def in_place(self, update: Update, tensor: Tensor, position: int) -> bool:
        """``x[part] = v`` on the memory of ``x``, or on a copy of it."""
        old = update.old
        target = self.where.get(old)

        def resolve(expr: Expr) -> Expr:
            return shortened(self.value(expr, {}), self.ranges)

        loops, mapping = update.loops(resolve, self.ranges)
        variables = {var: n.extent for var, n in loops}
        ranges = {**self.ranges, **variables}
        place = tuple(shortened(mapping[a], ranges) for a in update.axes)
        source: Any = update.fresh.source if isinstance(update.fresh, Load) else None
        whole = whole_in(update, loops, mapping, ranges) if source in self.pending else None
        if is_unset(old):
            target = self.memory(tensor)
        elif target is None or target not in self.owned or self.last[old] > position:
            if not update.is_partial:
                return False
            fresh = self.memory(tensor)
            self.copy(old, fresh)
            target = fresh
        else:
            is_new = whole is not None and source not in self.stored
            self.flush(target, position, source if is_new else None, place, ranges)
        if whole is None and source in self.pending and len(self.users.get(source, ())) > 1:
            self.settle(source)
        fresh_value = shortened(self.value(update.fresh, mapping), ranges)
        kept = beyond_kept(update, loops, place, fresh_value, target)
        if kept is not None and target is self.where.get(old):
            return self.in_place(kept, tensor, position)
        tests = [shortened(self.value(t, mapping), ranges) for t in update.tests]
        stmt: Stmt = Store(target, place, fresh_value)
        touched = [n for e in (fresh_value, *tests) for n in loads_of(e) if n.source is target]
        spans = [span for _, span in loops]
        if loops and not all(
            same(n.indices, place) or is_apart(n.indices, place, list(variables), ranges)
            for n in touched
        ):
            held = Buffer(self.name("held"), tuple(s.extent for s in spans), tensor.dtype,
                          scope=Scope.SHARED)  # fmt: skip
            self.temps.append(held)
            point = tuple(var for var, _ in loops)
            self.emit(store_nest(spans, renamed(point, Store(held, point, fresh_value))))
            if any(n.source is target for e in tests for n in loads_of(e)):
                raise UnsupportedError("a condition reads what it decides to write; copy it first")
            stmt = Store(target, place, load(held, point))
        for test in tests:
            stmt = If(test, stmt)
        self.emit(store_nest(spans, renamed(tuple(var for var, _ in loops), stmt)))
        self.where[tensor] = target
        if whole is not None and source in self.pending and source not in self.stored:
            self.stored[source] = Stored(target, whole, place)
        return True

    def call(self, op: Call, tensors: list[Tensor], position: int) -> None:
        """A program that is an operation, with its params in their places."""
        if is_unset(tensors[0]):
            self.begun(tensors[0])
            return
        from ..lower.replace_buffers import Place, replace_buffers

        program = op.program
        places: dict[Buffer, Place] = {}
        for tensor, buffer in zip(op.inputs, program.params):
            if tensor.shape:
                self.settle(tensor)
                places[buffer] = Place(self.where[tensor])
            else:
                made = Buffer(self.name(tensor.name), (), tensor.dtype, scope=Scope.STACK)
                self.temps.append(made)
                self.emit(Store(made, (), self.exprs[tensor]))
                places[buffer] = Place(made)
        by_index = {t.index: t for t in tensors}
        body, target = place_to_change(self, op, position)
        for n, buffer in enumerate(program.params[len(op.inputs) :]):
            if target is not None:
                made = target
            else:
                made = Buffer(
                    self.name(buffer.name), buffer.shape, buffer.dtype, scope=Scope.SHARED
                )
                self.temps.append(made)
            places[buffer] = Place(made)
            if n not in by_index:
                continue
            self.where[by_index[n]] = made
            self.owned.add(made)
        self.guard(program, places)
        self.emit(replace_buffers(body, places))
        for tensor in by_index.values():
            if not tensor.shape:
                made = self.where.pop(tensor)
                self.exprs[tensor] = self.keep(load(made, ()), tensor.name)

    def guard(self, program: Program, places: dict[Buffer, Place]) -> None:
        """Give what ``program`` refuses calls by a name that stands for nothing else."""
        from ..lower.replace_buffers import Place

        refusals = program.attrs.get("refusals", {})
        held = [b for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers]
        for guard in held if refusals else ():
            if guard.name not in refusals:
                continue
            name, refusal = guard.name, refusals[guard.name]
            while self.refusals.setdefault(name, refusal) != refusal:
                name = self.name(guard.name)
            if name != guard.name:
                made = Buffer(name, guard.shape, guard.dtype, guard.strides, guard.scope)
                places[guard] = Place(made)
