"""Random graphs of tensors, and what must hold for every module."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlc.graph.kernel import Module
from mlc.ir.rewrite import loads_of
from mlc.ops import (
    arithmetic,
    contract,
    index,
    join,
    logic,
    nn,
    pad,
    reduce,
    shape,
    transcendental,
)
from mlc.ops.elementwise import select_where
from mlc.te import Tensor, placeholder
from mlc.te.tensor import Compute

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -2.5, np.inf, -np.inf, np.nan, 1e-310)
ROWS, COLUMNS = 3, 4


def _unary(x: Tensor, choice: int) -> Tensor:
    makers = (
        arithmetic.negative,
        arithmetic.absolute,
        arithmetic.square,
        transcendental.exp,
        transcendental.tanh,
        nn.relu,
        nn.softmax if x.ndim else nn.relu,
        lambda v: arithmetic.add(v, 1.0),
        lambda v: arithmetic.multiply(v, 2.0),
        lambda v: arithmetic.divide(v, 4.0),
        lambda v: arithmetic.power(v, 2),
    )
    result: Tensor = makers[choice % len(makers)](x)
    return result


def _binary(x: Tensor, y: Tensor, choice: int) -> Tensor:
    makers = (
        arithmetic.add,
        arithmetic.subtract,
        arithmetic.multiply,
        arithmetic.maximum,
        lambda a, b: select_where(logic.less(a, b), a, b),
    )
    result: Tensor = makers[choice % len(makers)](x, y)
    return result


def _move(x: Tensor, choice: int) -> Tensor:
    makers = (
        shape.transpose,
        lambda v: shape.reshape(v, (v.size,)),
        lambda v: shape.reshape(v, (1, v.size)),
        join.flip,
        lambda v: join.concatenate([v, v]),
        lambda v: pad.pad(v, 1),
        lambda v: join.roll(v, 1, axis=0),
        lambda v: index.take(v, np.array([0, v.shape[0] - 1, 0]), axis=0),
        lambda v: index.take(v, arithmetic.multiply(reduce.argmax(v, axis=0), 1), axis=0),
        lambda v: index.getitem(v, slice(1, None)) if v.shape[0] > 1 else v,
    )
    result: Tensor = makers[choice % len(makers)](x) if x.ndim else x
    return result


def _fold(x: Tensor, choice: int) -> Tensor:
    axis = (0, -1, None)[choice % 3] if x.ndim else None
    keep = choice % 2 == 1
    maker = (reduce.sum, reduce.max, reduce.min, reduce.prod)[choice % 4]
    result: Tensor = maker(x, axis=axis, keepdims=keep)
    return result


def _fits(x: Tensor, y: Tensor) -> bool:
    try:
        return len(np.broadcast_shapes(x.shape, y.shape)) <= 3
    except ValueError:
        return False


@st.composite
def graphs(draw: Any, most: int = 12) -> tuple[list[Tensor], list[Tensor]]:
    """(inputs, outputs) of a random graph over float64."""
    inputs = [
        placeholder((ROWS, COLUMNS), "float64", "x"),
        placeholder((COLUMNS,), "float64", "y"),
        placeholder((ROWS, 1), "float64", "z"),
    ]
    pool = list(inputs)
    for _ in range(draw(st.integers(1, most))):
        kind, choice = draw(st.integers(0, 5)), draw(st.integers(0, 40))
        x = pool[draw(st.integers(max(0, len(pool) - 4), len(pool) - 1))]
        if kind == 0:
            fitting = [t for t in pool if _fits(x, t)]
            pool.append(_binary(x, fitting[choice % len(fitting)], choice))
        elif kind == 1:
            pool.append(_fold(x, choice))
        elif kind == 2 and x.size <= 64:
            pool.append(_move(x, choice))
        elif kind == 3 and x.ndim == 2:
            pool.append(contract.matmul(x, shape.transpose(x)))
        else:
            pool.append(_unary(x, choice))
    ends = [pool[-1]]  # an input now and then
    for _ in range(draw(st.integers(0, 2))):
        ends.append(pool[draw(st.integers(0, len(pool) - 1))])
    return inputs, ends


def feeds_for(
    inputs: list[Tensor], seed: int, special: bool = False
) -> dict[Tensor, np.ndarray[Any, Any]]:
    """Arrays for the placeholders; with ``special``, NaN, infinities and zeros among them."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for tensor in inputs:
        array = rng.standard_normal(tensor.shape)
        if special:
            array = rng.choice(np.array(SPECIAL), tensor.shape)
        feeds[tensor] = array.astype(tensor.dtype.numpy)
    return feeds


def check_module(module: Module) -> None:
    """What the kernels of a module promise each other."""
    ready = {*module.inputs, *module.constants}
    assert len(set(module.outputs)) == len(module.outputs)
    names = [kernel.name for kernel in module.kernels]
    assert len(set(names)) == len(names) and all(name.isidentifier() for name in names)
    written: set[Tensor] = set()
    for kernel in module.kernels:
        assert set(kernel.inputs) <= ready, "a kernel reads what is not there yet"
        made: dict[Tensor, int] = {}
        read: set[Tensor] = set()
        axes: set[int] = set()
        for number, stage in enumerate(kernel.stages):
            op = stage.compute
            bound = [*op.axes, *(op.reduction.axes if op.reduction is not None else ())]
            assert not axes & set(map(id, bound)), "two stages share an axis"
            axes.update(map(id, bound))
            shared = op.axes[: kernel.shared]
            assert len(shared) == kernel.shared
            assert [a.extent for a in shared] == list(kernel.stages[0].shape[: kernel.shared])
            for node in loads_in(op):
                if node.source not in made:
                    read.add(node.source)
                    continue
                for index_, axis in zip(node.indices, shared):
                    constant = getattr(index_, "value", None) == 0 and axis.extent == 1
                    assert index_ is axis or constant, "a stage reads across the shared loops"
            made.update(dict.fromkeys(stage.tensors, number))
        assert read == set(kernel.inputs)
        assert set(made) == {*kernel.outputs, *kernel.locals}
        assert not set(kernel.outputs) & set(kernel.locals)
        assert not written & set(made)
        written |= set(made)
        ready |= set(kernel.outputs)
        assert all(t in module.slots for t in (*kernel.inputs, *kernel.outputs))
    assert set(module.outputs) <= written


def loads_in(op: Compute) -> list[Any]:
    """Every distinct load of a compute."""
    return list(dict.fromkeys(node for part in op.body for node in loads_of(part)))
