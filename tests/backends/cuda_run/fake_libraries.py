"""Stand-ins for torch and JAX: arrays "on a card", as far as calls look at them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from .fake_cupy import FakeCuPy, _aligned, ndarray

Held = np.ndarray[Any, Any]


class Device(NamedTuple):
    type: str
    index: int


class Dtype:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class Tensor:
    """A CUDA tensor: strides count elements, and it can do without what is asked of NumPy's.
    ``held`` are its bytes, of which a ``negative`` or ``conjugated`` one means others."""

    requires_grad = False

    def __init__(
        self, held: Held, device: int = 0, negative: bool = False, conjugated: bool = False
    ) -> None:
        self.held, self.negative, self.conjugated = held, negative, conjugated
        self.device = Device("cuda", device)
        self.shape, self.dtype = held.shape, TORCH.dtypes[held.dtype.name]

    def stride(self) -> tuple[int, ...]:
        return tuple(step // self.held.itemsize for step in self.held.strides)

    def data_ptr(self) -> int:
        return self.held.ctypes.data

    def is_contiguous(self) -> bool:
        return self.held.flags.c_contiguous

    def is_neg(self) -> bool:
        return self.negative

    def is_conj(self) -> bool:
        return self.conjugated

    def resolve_neg(self) -> Tensor:
        return Tensor(_aligned(-self.held)) if self.negative else self

    def resolve_conj(self) -> Tensor:
        return Tensor(_aligned(self.held.conj())) if self.conjugated else self

    def __getitem__(self, key: Any) -> Tensor:
        return Tensor(self.held[key], self.device.index)

    def reshape(self, *shape: int) -> Tensor:
        return Tensor(self.held.reshape(*shape), self.device.index)

    def clone(self) -> Tensor:
        return Tensor(_aligned(self.held), self.device.index)

    def contiguous(self) -> Tensor:
        return self if self.is_contiguous() else self.clone()

    def copy_(self, other: Tensor) -> None:
        self.held[...] = other.held.conj() if self.conjugated else other.held

    def cpu(self) -> SimpleNamespace:
        return SimpleNamespace(numpy=self.held.copy)

    def to(self, place: str) -> Tensor:
        return Tensor(_aligned(self.held), int(place.removeprefix("cuda:")))


Tensor.__module__ = "torch"


class FakeTorch:
    """``torch``, as far as it is used; ``allocated`` are what its allocator was asked for."""

    STREAM = 21

    def __init__(self) -> None:
        names = ("float16", "bfloat16", "float32", "int64", "uint8", "bool", "complex64")
        self.dtypes = {name: Dtype(name) for name in names}
        self.__dict__.update(self.dtypes)
        self.allocated: list[tuple[int, ...]] = []
        self.cuda = SimpleNamespace(
            current_stream=lambda device: SimpleNamespace(cuda_stream=self.STREAM)
        )
        self.from_numpy = Tensor

    def empty(self, shape: tuple[int, ...], dtype: Dtype, device: str) -> Tensor:
        self.allocated.append(tuple(shape))
        held = _aligned(np.zeros(shape, dtype.name))
        return Tensor(held, int(device.removeprefix("cuda:")))

    @staticmethod
    def view_as_complex(tensor: Tensor) -> Tensor:
        return Tensor(tensor.held.view(np.complex64)[..., 0], tensor.device.index)


TORCH = FakeTorch()


class JaxArray:
    """An array of JAX's on card 0, which gives its memory away by DLPack alone."""

    def __init__(self, held: Held) -> None:
        self.held = held

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **options: Any) -> Any:
        raise AssertionError("CuPy's stand-in takes the memory itself")


JaxArray.__module__ = "jaxlib._jax"


def fake_jax(cupy: FakeCuPy) -> Any:
    """``jax``; CuPy and it take each other's memory."""
    cupy.from_dlpack = lambda array: ndarray(array.held, 0)  # type: ignore[attr-defined]
    return SimpleNamespace(dlpack=SimpleNamespace(from_dlpack=lambda array: JaxArray(array.held)))
