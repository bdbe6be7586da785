"""The plan of the workspace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlc import te
from mlc.graph.kernel import Kernel
from mlc.graph.memory import ALIGNMENT, lifetimes, nbytes, plan_memory
from mlc.graph.pipeline import build_module
from mlc.ops import contract

from .graphs import graphs


def overlapping(slots, kernels) -> list[tuple[te.Tensor, te.Tensor]]:
    lives = lifetimes(kernels)
    placed = [(t, s) for t, s in slots.items() if s.kind == "workspace"]
    found = []
    for n, (a, sa) in enumerate(placed):
        for b, sb in placed[:n]:
            together = lives[a][0] <= lives[b][1] and lives[b][0] <= lives[a][1]
            apart = sa.position + sa.nbytes <= sb.position or sb.position + sb.nbytes <= sa.position
            if together and not apart:
                found.append((a, b))
    return found


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 6)), min_size=1, max_size=30))
def test_tensors_that_live_together_do_not_overlap(shapes):
    tensors = [te.placeholder((size,), "float32", f"t{n}") for n, (size, _) in enumerate(shapes)]
    kernels = []
    for n, tensor in enumerate(tensors):
        read = tuple(t for m, t in enumerate(tensors[:n]) if m + shapes[m][1] >= n)
        kernels.append(Kernel(f"k{n}", (), 0, read, (tensor,), ()))
    slots, size = plan_memory([], [], [], kernels)
    assert not overlapping(slots, kernels)
    assert all(
        s.position % ALIGNMENT == 0 and s.position + s.nbytes <= size for s in slots.values()
    )
    assert size <= sum(map(nbytes, tensors))


@given(graphs())
def test_modules_do_not_overlap_either(graph):
    module = build_module(*graph)
    assert not overlapping(module.slots, module.kernels)


def test_a_chain_of_matmuls_needs_two_buffers():
    x = te.placeholder((32, 32), "float32", "x")
    y = x
    for _ in range(10):
        y = contract.matmul(y, x)
    module = build_module([x], [y])
    assert len(module.kernels) == 10
    assert module.workspace_bytes == 2 * 32 * 32 * 4


def test_what_is_dead_makes_room():
    sizes = {"a": 64, "b": 16, "c": 32, "d": 16, "e": 32}  # in cache lines
    t = {n: te.placeholder((s * 16,), "float32", n) for n, s in sizes.items()}
    kernels = [
        Kernel("k0", (), 0, (), tuple(t[n] for n in "abcd"), ()),
        Kernel("k1", (), 0, (t["b"], t["d"]), (t["e"],), ()),
    ]
    slots, size = plan_memory([], [], [], kernels)
    assert size == 128 * ALIGNMENT
    assert not overlapping(slots, kernels)
