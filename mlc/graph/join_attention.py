"""join_attention: ``softmax(score(q @ k.T)) @ v`` becomes one kernel of a grid.

What is recognised is structure, whatever it was written as: a product over a row of weights, which
are exp of scores less the greatest of their row, which are made point by point of a product. Masks,
scales and casts are part of the scores. See :mod:`mlc.graph.attention.kernel` for the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..dtypes import DType, bfloat16, float16, float32
from ..ir.expr import Apply, Axis, Cast, Expr, Load, Var, cast, const
from ..ir.program import contiguous_strides
from ..ir.rewrite import loads_of, postorder, substitute
from ..records import dataclass
from ..te.address import address_of, covers
from ..te.classify import axes_of, is_view, points
from ..te.folds import contraction_of
from ..te.inline import expand, remap_loads, resolve_loads
from ..te.tensor import Call, Compute, Tensor
from .attention.held import is_held
from .attention.kernel import attention_grid, attention_program
from .attention.masks import without_diagonal_masks
from .attention.parts import Attention, bare, narrow
from .attention.split import split_count
from .graph import Graph, Node, graph_of, redirect

MOST_WIDE = 256  # elements of a row of queries or of values
LEAST = 8  # rows, keys, and elements of a row
ONE = 1  # row, or several
FEW_KEYS = 128  # that fewer rows than that are worth it for
MOST_BATCHES = 65535  # blocks in one direction of a grid
FEW_BLOCKS, MANY_KEYS = 16, 4096  # few blocks with much to do each leave a card idle
MOST_NODES = 400  # of a score
HALVES = (float16, bfloat16)


def join_attention(graph: Graph, precision: str = "", architecture: str = "") -> Graph:
    """``graph`` with each attention whose scores nobody else needs as a call of one kernel.
    ``precision`` is "tf32" where float32 may be multiplied so; ``architecture`` is that whose cards
    alone run it, "" for any."""
    position = len(graph.nodes) - 1
    while position >= 0:
        node = graph.nodes[position]
        found = _Match(graph, node, precision).attention()
        if found is not None:
            joined = _with_call(graph, node, found, architecture)
            if found.product.source not in joined.makers():
                graph, position = joined, len(joined.nodes)
        position -= 1
    return graph


def _with_call(graph: Graph, node: Node, found: Attention, architecture: str) -> Graph:
    (old,) = node.tensors
    made, grid = attention_program(found, architecture), attention_grid(found, architecture)
    location = node.op.location
    op = Call(made, found.tensors, op="attention", location=location, on_grid=grid)
    mapping = {old: Tensor(old.name, old.shape, old.dtype, op)}
    for each in graph.nodes:
        current = redirect(each, mapping)
        if current is not each and each is not node:
            mapping.update(zip(each.tensors, current.tensors, strict=True))
    return graph_of(graph.inputs, (mapping.get(t, t) for t in graph.outputs))


@dataclass(frozen=True, eq=False)
class _Rows:
    """The weights of a row, over the axes of the product with values."""

    score: Expr
    largest: Load
    weight: Expr
    counted: Expr
    product: Load


class _Match:
    """What is around one node. ``last`` is the product with the values, over its own axes."""

    def __init__(self, graph: Graph, node: Node, precision: str) -> None:
        self.node = node
        self.precision = precision
        self.makers = graph.makers()

    def attention(self) -> Attention | None:
        """What the node is the result of, dimensions of which may be turned, parted or joined."""
        op = self.node.op
        turns: list[tuple[Load, Compute]] = []
        while isinstance(op, Compute) and is_view(op):
            (turn,) = op.body
            assert isinstance(turn, Load)
            node = self.makers.get(turn.source)
            if node is None or not covers(turn, op.axes, in_order=False):
                return None
            turns.append((turn, op))
            op = node.op
        if not isinstance(op, Compute) or len(op.body) > 1:
            return None
        found = self.result(op)
        if found is None or not turns:
            return found
        places: Sequence[Expr] = found.axes
        for turn, end in reversed(turns):
            turned = _turned(turn, end.axes, places)
            if turned is None:
                return None
            places = turned
        return replace(found, places=tuple(places), shape=self.node.shape)

    def result(self, op: Compute) -> Attention | None:
        """``op`` as a product, one that is cast, or one that is divided by the sum of weights."""
        if op.reduction is not None:
            return self.product(op, op, None)
        made = bare(op.body[0])
        divided = None
        if isinstance(made, Apply) and made.fn == "div":
            made, divided = map(bare, made.args)
        if not isinstance(made, Load) or len(made.indices) != len(op.axes):
            return None
        if any(i is not a for i, a in zip(made.indices, op.axes, strict=True)):
            return None
        inner = self.reduction(made)
        return None if inner is None else self.product(inner, op, divided)

    def product(self, op: Compute, end: Compute, divided: Expr | None) -> Attention | None:
        """``op`` is the product with values, ``end`` what is stored of it."""
        roles = contraction_of(op, ONE)
        root = op.reduction
        if roles is None or root is None or len(root.axes) != 1 or not root.dtype.is_float:
            return None
        for weights, values in ((roles.lhs, roles.rhs), (roles.rhs, roles.lhs)):
            made = self.inlined(weights)
            if made is None:
                continue
            below = None
            if divided is not None:
                below = substitute(divided, dict(zip(end.axes, op.axes, strict=True)))
            found = self.rows(made, below, root.axes[0])
            if found is not None:
                return self.assembled(op, weights, values, found)
        return None

    def rows(self, made: Expr, below: Expr | None, key: Axis) -> _Rows | None:
        """What ``made``, an operand, is made of; ``below`` is what the product is divided by."""
        if below is None:
            match bare(made):
                case Apply(fn="div", args=(above, under)):
                    made, below = above, bare(under)
                case _:
                    return None
        match bare(made):
            case Apply(fn="exp", args=(inner,)):
                shifted = bare(inner)
            case _:
                return None
        match shifted:
            case Apply(fn="sub", args=(left, right)):
                largest = bare(right)
            case _:
                return None
        if not isinstance(largest, Load) or not isinstance(below, Load):
            return None
        peak = self.folded(largest, "maximum", key)
        score: Expr | None = left
        while score is not None and score is not peak:
            score = score.value if isinstance(score, Cast) else None
        counted = self.folded(below, "add", key)
        if (
            score is None
            or counted is None
            or not (score.dtype.is_float and counted.dtype.is_float)
        ):
            return None
        products = [n for n in loads_of(score) if self.is_product(n)]
        if len(products) != 1 or bare(counted) is not bare(made) or _count(score) > MOST_NODES:
            return None
        (product,) = products
        if not (product.dtype.is_float and _is_pure(made, score, largest)):
            return None
        return _Rows(score, largest, made, counted, product)

    def folded(self, found: Load, fn: str, key: Axis) -> Expr | None:
        """What ``found`` is the fold of, over ``key``."""
        while True:
            op = self.reduction(found)
            if op is not None:
                break
            node = self.makers.get(found.source)
            if node is None or not isinstance(node.op, Compute) or node.op.reduction is not None:
                return None
            (body, *rest) = node.op.body
            inner = bare(body)
            if rest or not isinstance(inner, Load):
                return None
            put = _places(node.op.axes, found.indices)
            found = remap_loads(inner, put)[inner]
        root = op.reduction
        assert root is not None
        if root.combiner.fn != fn or len(root.axes) != 1 or len(op.body) > 1:
            return None
        if root.axes[0].extent != key.extent:
            return None
        places = _places((*op.axes, root.axes[0]), (*found.indices, key))
        value = root.values[0]
        return expand(value, places, remap_loads(value, places), self.inlined)

    def is_product(self, found: Load) -> bool:
        op = self.reduction(found)
        return op is not None and contraction_of(op, ONE) is not None

    def reduction(self, found: Load) -> Compute | None:
        node = self.makers.get(found.source)
        if node is None or not isinstance(node.op, Compute) or node.op.reduction is None:
            return None
        return node.op

    def viewed(self, found: Load) -> Expr | None:
        """What ``found`` is a view of; None where it is none."""
        node = self.makers.get(found.source)
        if node is None or not isinstance(node.op, Compute) or not is_view(node.op):
            return None
        (body,) = node.op.body
        places = _places(node.op.axes, found.indices)
        return expand(body, places, remap_loads(body, places), self.viewed)

    def inlined(self, found: Load) -> Expr | None:
        """What ``found`` is made of, down to arrays and reductions; None for those."""
        node = self.makers.get(found.source)
        if node is None or not isinstance(node.op, Compute) or node.op.reduction is not None:
            return None
        if len(node.op.body) > 1:
            return None
        (body,) = node.op.body
        places = _places(node.op.axes, found.indices)
        return expand(body, places, remap_loads(body, places), self.inlined)

    def assembled(self, op: Compute, weights: Load, values: Load, found: _Rows) -> Attention | None:
        """The parts put together, if no axis is where it must not be."""
        root, scores = op.reduction, self.reduction(found.product)
        assert root is not None and scores is not None
        roles = contraction_of(scores, ONE)
        if roles is None or len(roles.k) != 1:
            return None
        (key,), (depth,) = root.axes, roles.k
        put = _places(scores.axes, found.product.indices)
        query, keys = _factors(scores, put)
        if key in axes_of(query):
            query, keys = keys, query
        query = resolve_loads(query, self.inlined)
        keys = resolve_loads(keys, self.viewed)
        value = next(f for f in _factors(op, {}) if any(n is values for n in loads_of(f)))
        value = resolve_loads(value, self.viewed)
        rows = [a for a in op.axes if a in axes_of(query) and a not in axes_of(keys)]
        columns = [a for a in op.axes if a in axes_of(value) and a not in axes_of(weights)]
        if len(columns) != 1 or query.dtype is not value.dtype:
            return None
        # Where one query alone stands in a row, heads that share keys are the rows.
        several = [a for a in rows if a.extent > 1]
        row = (several or rows or [Axis("row", 1)])[-1]
        (column,) = columns
        reads = {
            "query": (query, {key, column}), "keys": (keys, {row, column}),
            "value": (value, {row, depth}), "score": (found.score, {column, depth}),
        }  # fmt: skip
        if any(not axes_of(expr).isdisjoint(others) for expr, others in reads.values()):
            return None
        if key not in axes_of(keys) or key not in axes_of(value) or _count(query) > MOST_NODES:
            return None
        score, weight, counted = (
            without_diagonal_masks(e) for e in (found.score, found.weight, found.counted)
        )
        batch = tuple(a for a in op.axes if a is not row and a is not column)
        batches, blocks = points(batch), points(batch) * -(-row.extent // 64)
        extents = (row.extent, key.extent, depth.extent, column.extent)
        most = MOST_WIDE * 4 // max(found.product.dtype.itemsize, 4)
        if min(extents[1:]) < LEAST or max(depth.extent, column.extent) > most:
            return None
        if not 0 < batches <= MOST_BATCHES:
            return None
        made = Attention(
            axes=op.axes, batch=batch, row=row, key=key, depth=depth, column=column,
            query=query, keys=keys, values=value, product=found.product, score=score,
            largest=found.largest, weight=weight, counted=counted,
            rounded=weights.dtype, total=counted.dtype, out=self.node.tensors[0].dtype,
            places=op.axes, shape=tuple(a.extent for a in op.axes),
            kind=self.kind(query, keys, value, weights),
        )  # fmt: skip
        few = row.extent < LEAST and (not is_held(made) or key.extent < FEW_KEYS)
        idle = blocks < FEW_BLOCKS and key.extent > MANY_KEYS and split_count(made) == 1
        return None if few or idle else made

    def kind(self, *operands: Expr) -> DType | str | None:
        """What tensor cores call the operands; None where they do not multiply them."""
        total = operands[0].dtype
        types = {narrow(expr).dtype for expr in operands}
        if len(types) > 1 or total is not float32:
            return None
        (dtype,) = types
        if dtype is float32 and self.precision == "tf32":
            return "tf32"
        return dtype if dtype in HALVES else None


def _turned(view: Load, axes: Sequence[Axis], places: Sequence[Expr]) -> tuple[Expr, ...] | None:
    """Where in a view, of whose ``axes`` it speaks, the element ``places`` of its source is; None
    where an axis of one shares parts with several of the other, and they with more."""
    steps = dict(address_of(view).terms)
    strides = contiguous_strides(view.source.shape)
    made: list[Expr] = []
    for axis in axes:
        total: Expr = const(0)
        step = steps.get(axis, 0)
        end = step * axis.extent
        for place, stride, extent in zip(places, strides, view.source.shape, strict=True):
            last = stride * extent
            if axis.extent == 1 or extent == 1 or last <= step or end <= stride:
                continue
            if step <= stride and last <= end:
                total = total + place * (stride // step)
            elif stride <= step and end <= last:
                part = place // (step // stride)
                total = total + (part if end == last else part % axis.extent)
            else:
                return None
        made.append(total)
    return tuple(made)


def _factors(op: Compute, places: Mapping[Var, Expr]) -> tuple[Expr, Expr]:
    """What a contraction multiplies, where its axes are ``places``."""
    root = op.reduction
    assert root is not None
    value = root.values[0]
    moved = expand(value, places, remap_loads(value, places), lambda _: None)
    product = bare(moved)
    assert isinstance(product, Apply)
    first, second = product.args
    return cast(first, root.dtype), cast(second, root.dtype)


def _places(axes: Sequence[Axis], indices: Sequence[Expr]) -> dict[Var, Expr]:
    return dict(zip(axes, indices, strict=True))


def _count(expr: Expr) -> int:
    return sum(1 for _ in postorder(expr))


def _is_pure(weight: Expr, score: Expr, largest: Expr) -> bool:
    """Whether ``weight`` depends on the score and the greatest one alone."""
    stack = [weight]
    while stack:
        node = stack.pop()
        if node is score or node is largest:
            continue
        if isinstance(node, (Load, Var)):
            return False
        stack.extend(node.children)
    return True
