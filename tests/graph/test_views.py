"""Long chains of views are shortened, and read what they did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.graph.graph import graph_of
from mlc.graph.rules import apply_rules
from mlc.te.classify import is_view


def off(x: Any) -> Any:
    total = 0.0
    for step in (1,) * 20:  # one after the other
        total, x = total * 0.5 + x.sum(), x[step:]
    return total


def turned(x: Any) -> Any:
    a, found = x.reshape(10, 5), []
    for _ in range(12):
        a = a.T[::-1][:, None][..., 0]
        found.append(a.sum(0))
    return np.concatenate(found)


def thinned(x: Any) -> Any:
    for k in range(1, 13):
        x = x[::-1][(k % 2) :].reshape(-1, 1).repeat(2, 1)[:, 1]
    return x * 2


@pytest.mark.parametrize("function", [off, turned, thinned])
def test_values(function: Any) -> None:
    x = np.random.default_rng(3).standard_normal(50)
    np.testing.assert_allclose(mlc.jit(function)(x), function(x), rtol=1e-12)


def test_no_chain_is_long() -> None:
    compiled = mlc.jit(off).lower(np.ones(50)).compiled
    graph = apply_rules(graph_of(compiled.inputs, compiled.outputs))
    makers = graph.makers()
    depth: dict[Any, int] = {}
    for node in graph.nodes:
        above = [depth.get(t, 0) for t in node.op.inputs]
        for tensor in node.tensors:
            depth[tensor] = 1 + max(above, default=0) if is_view(node.compute) else 0
    assert makers and 4 < max(depth.values()) <= 8
