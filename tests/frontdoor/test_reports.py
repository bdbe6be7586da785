"""``cache_info``, ``lower`` and ``clear_cache``: what a function says of itself."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import mlc

X = np.ones((3, 4), np.float32)


def total(x: Any, axis: Any = None, *, tree: Any = None) -> Any:
    y = x.sum(axis=axis)
    return y if tree is None else y + tree[0]


def test_each_signature_says_why_it_was_needed() -> None:
    f = mlc.jit(total, static_argnames="axis")
    f(X)
    f(X, 0)
    f(X, 1)
    f(X.astype(np.float64), 1)
    f(np.ones((3, 5), np.float32), 1)
    f(X[::-1], 1)
    f(X, 1, tree=[X[0, 0]])
    f(X, 1, tree=(X[0, 0],))
    f(X, 1, tree=[X[0, 0].astype(np.float64)])
    f(2.0, None)
    assert [row.reason for row in f.cache_info()] == [
        "first call",
        "axis is passed",
        "static value of axis: 0 -> 1",
        "dtype of x: float32[3, 4] -> float64[3, 4]",
        "shape of x: float32[3, 4] -> float32[3, 5] (axis 1)",
        "strides of x: float32[3, 4] -> float32[3, 4] strides [-4, 1]",
        "tree is passed",
        "structure of tree: PyTreeSpec([*]) -> PyTreeSpec((*,))",
        "dtype of tree[0]: float32 scalar -> float64 scalar",
        "kind of x: float32[3, 4] -> float",
    ]


def test_arguments_that_are_left_out_are_named() -> None:
    f = mlc.jit(total, static_argnames="axis")
    f(X, 1, tree=(X[0, 0],))
    f(X, axis=0)
    f(X)
    f(x=X, tree=(X[0, 0],))
    assert [row.reason for row in f.cache_info()] == [
        "first call",
        "tree is left out",
        "fewer arguments by position: 2 -> 1",
        "tree is passed",
    ]


def test_debug_mode_is_part_of_the_signature() -> None:
    f = mlc.jit(total)
    f(X)
    with mlc.config.override(debug=True):
        f(X)
    assert [(row.target, row.reason) for row in f.cache_info()] == [
        ("cpu", "first call"),
        ("cpu, debug", "debug: False -> True"),
    ]


def test_the_table() -> None:
    f = mlc.jit(total, static_argnames="axis")
    assert str(f.cache_info()) == "total: 0 compiled signatures"
    f(X, 1)
    lines = str(f.cache_info()).splitlines()
    assert lines[0] == "total: 1 compiled signature"
    assert lines[1].split() == ["signature", "target", "when", "trace", "compile", "why"]
    pattern = r"  x: float32\[3, 4\], axis=1  cpu +\d\d:\d\d:\d\d  [\d.]+ ms +[\d.]+ ms +first call"
    assert re.fullmatch(pattern, lines[2])
    assert (
        f.cache_info()._repr_html_().startswith("<table><caption>total</caption><tr><th>signature")
    )
    f.clear_cache()
    assert len(f.cache_info()) == 0
    assert f(X, 1).shape == (3,)


def test_levels_are_texts() -> None:
    f = mlc.jit(total)
    lowered = f.lower(X)
    assert str(lowered.graph) == "the graph" == repr(lowered.graph)
    assert lowered.graph._repr_html_() == "<pre>the graph</pre>"
    assert repr(lowered) == (
        "total(x: float32[3, 4]), lowered; print .graph .program .schedule .numpy .llvm .asm"
    )
    f(X)
    assert len(f.cache_info()) == 1, "lower compiles what the call then uses"
    assert "nothing is computed" in mlc.jit(lambda x: x).lower(X).llvm
