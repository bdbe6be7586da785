"""The graph level, in order: from the outputs of a function to kernels over planned buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..te.tensor import Constant, Tensor
from .eliminate_common import eliminate_common
from .graph import Graph, graph_of
from .group_stages import group_stages
from .inline_computes import inline_computes, split_results
from .kernel import Kernel, Module
from .make_kernels import make_kernels
from .memory import plan_memory
from .rules import apply_rules
from .separate_outputs import separate_outputs


def _fold_constants(graph: Graph) -> Graph:
    """See `fold_constants`, which is loaded for graphs that have any."""
    if not any(isinstance(t.op, Constant) for node in graph.nodes for t in node.op.inputs):
        return graph
    from .fold_constants import fold_constants

    return fold_constants(graph)


PASSES: tuple[Callable[[Graph], Graph], ...] = (
    split_results,
    apply_rules,
    eliminate_common,
    _fold_constants,
    separate_outputs,
)

LEAST_SQUARE = 192  # rows of a product with its own transpose of which half is worth leaving out


def build_module(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    name: str = "main",
    row_blocks: bool = True,
    precision: str = "",
    architecture: str = "",
) -> Module:
    """The kernels that compute ``outputs`` from ``inputs`` (placeholders), with their buffers.

    With ``row_blocks``, for processors, a kernel may hold several contractions (see
    :mod:`mlc.graph.join_rows`), and rows are searched one at a time.

    Without it, for cards, an attention is one kernel (see :mod:`mlc.graph.join_attention`), whose
    products of float32 are made in ``precision``, which is "tf32" or "", for cards of
    ``architecture`` alone, or "" for any.

    The outputs of the module are new tensors; there are as many as ``outputs``, in the same order.
    """
    graph = graph_of(inputs, outputs)  # dead code stays behind here
    if any(node.op.op == "join" for node in graph.nodes):
        from .rejoin_parts import rejoin_parts

        graph = rejoin_parts(graph)
    for rewrite_graph in PASSES:
        graph = rewrite_graph(graph)
    # Passes that few graphs have something for are loaded for those.
    if not row_blocks:
        from .join_attention import join_attention

        graph = join_attention(graph, precision, architecture)
    operators = {node.op.op for node in graph.nodes}
    if "subtract" in operators and operators & {"reduce_max", "reduce_min", "reduce_sum"}:
        from .round_products import round_products

        graph = round_products(graph)
    if row_blocks:
        if any(_is_large_square(node.shape) for node in graph.nodes):
            from .halve_products import halve_products

            graph = halve_products(graph)
        if any(name.startswith("arg_extreme") for name in operators):
            from .search_rows import search_rows

            graph = search_rows(graph)
        if "exp" in operators:
            from .relax_softmax import relax_softmax

            graph = relax_softmax(graph)
    made = inline_computes(graph)
    groups = group_stages(made, in_runs=row_blocks)
    if (
        row_blocks
        and len(groups) > 1
        and any(m.is_reduction for group in groups for m in group.members)
    ):
        from .join_rows import join_rows

        groups = join_rows(groups)
    kernels, ends = make_kernels(groups, graph.outputs)
    constants = _constants_read(kernels)
    slots, workspace = plan_memory(inputs, constants, ends, kernels)
    return Module(name, tuple(inputs), constants, ends, kernels, slots, workspace)


def _is_large_square(shape: tuple[int, ...]) -> bool:
    if len(shape) != 2 or any(type(size) is not int for size in shape):
        return False
    return shape[0] == shape[1] >= LEAST_SQUARE


def _constants_read(kernels: Sequence[Kernel]) -> tuple[Tensor, ...]:
    read = (t for kernel in kernels for t in kernel.inputs)
    return tuple(dict.fromkeys(t for t in read if isinstance(t.op, Constant)))
