"""Who is measured. A peer is one entry: what it needs, and how it takes a NumPy function."""

from __future__ import annotations

import importlib.util
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import exported

Function = Callable[..., Any]
Prepared = tuple[Function, tuple[Any, ...]]


@dataclass(frozen=True)
class Peer:
    """``prepare(function, args)`` returns what to call and with what; it may raise if it cannot.

    One that ``reuses_results`` writes each result where the last one was, as ``out=`` does, or
    where it was once that is gone; it never waits for fresh memory, so it is compared with
    ``mlc out=``.
    """

    name: str
    needs: tuple[str, ...]
    prepare: Callable[[Function, tuple[np.ndarray, ...]], Prepared]
    reuses_results: bool = False

    def is_installed(self) -> bool:
        return all(importlib.util.find_spec(module) for module in self.needs)


def with_numpy_as(namespace: Any, function: Function) -> Function:
    """The function and those it calls beside it, with ``np`` bound to another library."""
    scope = dict(function.__globals__, np=namespace)
    for name, value in function.__globals__.items():
        if isinstance(value, types.FunctionType) and value.__module__ == function.__module__:
            scope[name] = types.FunctionType(value.__code__, scope, name, value.__defaults__)
    return types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )


def _numpy(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    return function, args


def _mlc(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    import mlc

    return mlc.jit(function), args


def _mlc_out(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    import mlc

    compiled = mlc.jit(function)
    out = compiled(*args)
    if not isinstance(out, np.ndarray) or out.ndim == 0:
        raise TypeError("the result is a scalar")
    return (lambda *arrays: compiled(*arrays, out=out)), args


def _numba(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    import numba

    return numba.njit(function, parallel=numba.config.NUMBA_NUM_THREADS > 1), args


def _jax(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    import jax
    import jax.numpy

    # Without it arrays of float64 become float32.
    jax.config.update("jax_enable_x64", any(array.dtype == np.float64 for array in args))
    compiled = jax.jit(with_numpy_as(jax.numpy, function))
    arrays = tuple(jax.numpy.asarray(array) for array in args)
    return (lambda *values: jax.block_until_ready(compiled(*values))), arrays


def as_tensor(array: np.ndarray) -> Any:
    """The array as a tensor of torch, over the same memory."""
    import torch

    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _torch(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    import torch

    from .torch_functions import translated

    made = translated(function)

    @torch.inference_mode()
    def call(*values: Any) -> Any:
        return made(*values)

    return call, tuple(map(as_tensor, args))


def _torch_compiled(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    import torch

    from .torch_functions import translated

    made = torch.compile(translated(function))

    @torch.inference_mode()
    def call(*values: Any) -> Any:
        return made(*values)

    return call, tuple(map(as_tensor, args))


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("numpy", (), _numpy),
        Peer("mlc", ("mlc",), _mlc),
        Peer("mlc out=", ("mlc",), _mlc_out),
        Peer("numba", ("numba",), _numba),
        Peer("jax", ("jax",), _jax),
        Peer("torch", ("torch",), _torch),
        Peer("torch.compile", ("torch",), _torch_compiled),
        Peer("onnxruntime", ("torch", "onnxscript", "onnxruntime"), exported.onnxruntime, True),
        Peer("openvino", ("torch", "onnxscript", "openvino"), exported.openvino, True),
        Peer("tvm", ("torch", "tvm"), exported.tvm),
    )
}
