"""The expressions of a stage, once it is decided what is inlined."""

from __future__ import annotations

from ..ir.expr import Expr, Load, Reduce, Select, Var, load, reduce
from ..ir.rewrite import loads_of, substitute_loads
from ..ir.simplify import simplify
from ..records import dataclass, replace
from ..te.inline import expand, remap_loads, resolve_loads
from ..te.tensor import Call, Tensor
from .graph import Node, unique_name
from .kernel import Stage
from .root import Root


@dataclass(frozen=True, eq=False)
class Made:
    """A stage, the node it makes, and the nodes that were inlined on the way, producers first."""

    stage: Stage
    node: Node
    inlined: tuple[Node, ...]

    @property
    def results(self) -> list[tuple[Tensor, Tensor]]:
        """The tensors of the node, each with that of the stage."""
        made = self.stage.tensors
        if self.stage.call is not None:
            return [(old, made[old.index]) for old in self.node.tensors]
        return list(zip(self.node.tensors, made, strict=True))


def build_call(node: Node, stages: dict[Tensor, Tensor], taken: dict[str, int]) -> Made:
    """The stage of a call, which reads the stages that make its inputs."""
    assert isinstance(node.op, Call)
    op = replace(node.op, inputs=tuple(stages.get(t, t) for t in node.op.inputs))
    wish, dot, _ = node.tensors[0].name.partition(".")
    name = unique_name(wish, taken)
    tensors = []
    used = {t.index: t for t in node.tensors}
    for n, buffer in enumerate(op.outputs):
        new = Tensor(f"{name}.{n}" if dot else name, buffer.shape, buffer.dtype, op, n)
        if n in used:
            stages[used[n]] = new
        tensors.append(new)
    return Made(Stage(tuple(tensors)), node, ())


def build_stage(root: Root, stages: dict[Tensor, Tensor], taken: dict[str, int]) -> Made:
    """The stage of ``root``. ``stages`` holds the new tensors by the old ones, and gets its own."""
    built: dict[Load, Expr] = {}
    for copy in reversed(root.instances):
        built[copy.at] = expand(copy.node.compute.body[0], copy.mapping, copy.loads, built.get)
    op = root.node.compute
    nodes = {copy.tensor: copy.node for copy in root.instances}

    def inlined_at(node: Load) -> Expr | None:
        maker = nodes.get(node.source)
        if node not in built and maker is not None:
            mapping: dict[Var, Expr] = dict(zip(maker.compute.axes, node.indices, strict=True))
            loads = remap_loads(maker.compute.body[0], mapping)
            built[node] = expand(maker.compute.body[0], mapping, loads, built.get)
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
        if any(isinstance(part, Select) for part in body):
            from .merge_parts import merge_parts

            body = tuple(map(merge_parts, body))
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
