"""The expressions of a stage, once it is decided what is inlined."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ir.expr import Expr, Load, Reduce, Var, load, reduce
from ..ir.rewrite import loads_of, substitute_loads
from ..ir.simplify import simplify
from ..te.inline import expand, remap_loads, resolve_loads
from ..te.tensor import Tensor
from .graph import Node, unique_name
from .kernel import Stage
from .root import Root


@dataclass(frozen=True, eq=False)
class Made:
    """A stage, the node it makes, and the nodes that were inlined on the way, producers first."""

    stage: Stage
    node: Node
    inlined: tuple[Node, ...]


def build_stage(root: Root, stages: dict[Tensor, Tensor], taken: dict[str, int]) -> Made:
    """The stage of ``root``. ``stages`` holds the new tensors by the old ones, and gets its own."""
    built: dict[Load, Expr] = {}
    for copy in reversed(root.instances):
        built[copy.at] = expand(copy.node.op.body[0], copy.mapping, copy.loads, built.get)
    op = root.node.op
    nodes = {copy.tensor: copy.node for copy in root.instances}

    def inlined_at(node: Load) -> Expr | None:
        maker = nodes.get(node.source)
        if node not in built and maker is not None:
            mapping: dict[Var, Expr] = dict(zip(maker.op.axes, node.indices, strict=True))
            loads = remap_loads(maker.op.body[0], mapping)
            built[node] = expand(maker.op.body[0], mapping, loads, built.get)
        return built.get(node)

    def from_stage(node: Load) -> Expr | None:
        made = stages.get(node.source)
        return None if made is None else load(made, root.renamed.get(node, node.indices))

    def finish(value: Expr) -> Expr:
        out = expand(value, root.mapping, root.loads, built.get)
        # what remains of inlined tensors stands in indices that are data
        while any(node.source in nodes for node in loads_of(out)):
            out = resolve_loads(out, inlined_at)
        return simplify(substitute_loads(out, from_stage))

    if op.reduction is None:
        body: tuple[Expr, ...] = tuple(finish(part) for part in op.body)
    else:
        fold = op.reduction
        values = tuple(finish(value) for value in fold.values)
        body = tuple(
            reduce(fold.combiner, values, root.reduced, part.index)
            for part in op.body
            if isinstance(part, Reduce)
        )
    used = sorted(t.index for t in root.node.tensors)
    compute = replace(op, axes=root.spatial, body=tuple(body[n] for n in used))
    tensors = []
    wish, dot, _ = root.node.tensors[0].name.partition(".")
    name = unique_name(wish, taken)
    for n, old in enumerate(root.node.tensors):
        label = f"{name}.{n}" if dot else name
        new = Tensor(label, root.shape, old.dtype, compute, n)
        stages[old] = new
        tensors.append(new)
    inlined = tuple({id(c.node): c.node for c in reversed(root.instances)}.values())
    return Made(Stage(tuple(tensors)), root.node, inlined)
