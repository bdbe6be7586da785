"""Who is measured on a card. A peer is one entry: what it needs, and how it takes a case."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.peers import with_numpy_as

from .cases import Case

Arrays = tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True)
class Prepared:
    """``call()`` starts the work; ``wait(result)`` until it is done; ``read(result)`` is an array
    of the host."""

    call: Callable[[], Any]
    wait: Callable[[Any], Any]
    read: Callable[[Any], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Peer:
    """``prepare(case, args)`` puts the arguments on the card; it may raise if it cannot. What is
    installed may be made for processors alone: ``sees_cards``."""

    name: str
    needs: tuple[str, ...]
    prepare: Callable[[Case, Arrays], Prepared]
    sees_cards: Callable[[], bool] = lambda: True

    def is_installed(self) -> bool:
        return all(importlib.util.find_spec(module) for module in self.needs) and self.sees_cards()


def _wait(result: Any) -> None:
    import cupy

    cupy.cuda.runtime.deviceSynchronize()


@functools.cache
def torch_sees_cards() -> bool:
    """Whether torch is here, and made for cards."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


@functools.cache
def _jax_sees_cards() -> bool:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others need memory, too
    import jax

    try:
        return bool(jax.devices("gpu"))
    except RuntimeError:
        return False


def _on_torch(array: np.ndarray[Any, Any]) -> Any:
    import torch

    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to("cuda").to(torch.bfloat16)
    return torch.from_numpy(array).to("cuda")


def _read_torch(tensor: Any) -> np.ndarray[Any, Any]:
    import ml_dtypes

    host = tensor.detach().cpu()
    if str(host.dtype) != "torch.bfloat16":
        return np.asarray(host.numpy())
    return np.asarray(host.float().numpy().astype(ml_dtypes.bfloat16))


def _mlc(case: Case, args: Arrays) -> Prepared:
    import mlc

    function = mlc.jit(case.function if case.ours is None else case.ours(), target="cuda")
    if case.dtype == "bfloat16" and torch_sees_cards():
        read, placed = _read_torch, [_on_torch(array) for array in args]
    else:  # CuPy has bfloat16 from version 14 on
        import cupy

        read, placed = cupy.asnumpy, [cupy.asarray(array) for array in args]
    with case.setting():
        function(*placed)
    return Prepared(lambda: function(*placed), _wait, read)


def _cupy(case: Case, args: Arrays) -> Prepared:
    import cupy

    if case.dtype == "bfloat16":
        raise RuntimeError("CuPy has no bfloat16 here")
    function = with_numpy_as(cupy, case.function)
    arrays = [cupy.asarray(array) for array in args]
    return Prepared(lambda: function(*arrays), _wait, cupy.asnumpy)


def _torch(case: Case, args: Arrays, compiled: bool = False) -> Prepared:
    import torch

    from benchmarks.torch_functions import translated

    made = translated(case.function)
    function = torch.compile(made, mode="max-autotune-no-cudagraphs") if compiled else made
    tensors = [_on_torch(array) for array in args]

    @torch.inference_mode()
    def call() -> Any:
        return function(*tensors)

    return Prepared(call, _wait, _read_torch)


def _torch_compiled(case: Case, args: Arrays) -> Prepared:
    return _torch(case, args, compiled=True)


def _jax(case: Case, args: Arrays) -> Prepared:
    import jax
    import jax.numpy

    jax.config.update("jax_default_matmul_precision", "highest")
    function = jax.jit(with_numpy_as(jax.numpy, case.function))
    arrays = [jax.device_put(array, jax.devices("gpu")[0]) for array in args]
    return Prepared(lambda: function(*arrays), jax.block_until_ready, np.asarray)


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("mlc", ("mlc", "cupy"), _mlc),
        Peer("cupy", ("cupy",), _cupy),
        Peer("torch", ("torch",), _torch, torch_sees_cards),
        # Its kernels are Triton's.
        Peer("torch.compile", ("torch", "triton"), _torch_compiled, torch_sees_cards),
        Peer("jax", ("jax",), _jax, _jax_sees_cards),
    )
}
