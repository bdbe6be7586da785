"""Arrays on a card, whoever made them: where they lie, and how to make results of the same kind.

Understood are CuPy's arrays, torch's CUDA tensors, whatever offers ``__cuda_array_interface__``
and, by DLPack, memory of a card. Nothing is copied.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from mlc.errors import ArgumentError
from mlc.records import dataclass
from mlc.runtime.cuda.card import card

_ALIGNED = 15  # addresses of arrays have these bits clear: threads read up to 16 bytes at once
_CUDA, _CUDA_MANAGED = 2, 13  # DLPack's device types


@dataclass(frozen=True)
class DeviceArray:
    """Memory on card number ``device``. ``strides`` are in bytes, None for C-contiguous; ``owner``
    is what the caller passed, and ``array`` an array of ``library`` over the same memory."""

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...] | None
    device: int
    library: Library
    owner: Any
    array: Any

    @property
    def target(self) -> Any:
        """What is filled where this is written to: conjugated and negated tensors are read from
        copies of theirs."""
        return self.owner if self.library is TORCH else self.array

    @property
    def nbytes(self) -> int:
        """Bytes from the first to the last element, if strides are not negative."""
        size = self.dtype.itemsize
        if 0 in self.shape:
            return 0
        if self.strides is None:
            return int(np.prod(self.shape, dtype=np.int64)) * size
        return size + sum((n - 1) * abs(s) for n, s in zip(self.shape, self.strides))

    def overlaps(self, other: DeviceArray) -> bool:
        """Whether the memory of both may have bytes in common."""
        if self.device != other.device:
            return False
        (a, b), (c, d) = self._span(), other._span()
        return a < d and c < b

    def _span(self) -> tuple[int, int]:
        steps = zip(self.shape, self.strides or ())
        low = self.pointer + sum((n - 1) * s for n, s in steps if s < 0)
        return low, low + self.nbytes


class Library:
    """Where results come from: CuPy's pool and CuPy's current stream."""

    name = "cupy"

    def advice(self, name: str, device: int) -> str:
        """The call that copies an array of the host to a card as one of this library."""
        return f"mlc.device_put({name}, {device})"

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], device: int) -> Any:
        """A new array on the current card, ``device``."""
        return card().cupy.empty(shape, dtype)

    def pointer(self, array: Any) -> int:
        return int(array.data.ptr)

    def stream(self, device: int) -> int:
        return card().stream()

    def workspace(self, size: int, device: int) -> Any:
        """Bytes that kernels use while they run."""
        return self.empty((size,), np.dtype(np.uint8), device)

    def download(self, array: Any, start: int, end: int) -> np.ndarray[Any, Any]:
        """Some of the elements, in order, copied to the host."""
        found: np.ndarray[Any, Any] = card().cupy.asnumpy(array.reshape(-1)[start:end])
        return found

    def mark(self, array: Any) -> tuple[Any, int] | None:
        """All that kernels depend on but for the address, and the address; None for an array that
        they cannot read as it is."""
        memory = array.data
        pointer = memory.ptr
        if pointer & _ALIGNED:
            return None
        return (array.shape, array.strides, array.dtype, memory.device_id), pointer

    def copy(self, array: Any) -> Any:
        return array.copy()

    def contiguous(self, array: Any) -> Any:
        """A C-contiguous copy."""
        return array.copy(order="C")

    def fill(self, place: Any, value: Any) -> None:
        """Write ``value`` to ``place``, both of this library."""
        place[...] = value

    def upload(self, array: np.ndarray[Any, Any], device: int) -> Any:
        """A copy of a host array on the current card, ``device``."""
        return card().cupy.asarray(array)

    def paired(self, array: Any) -> Any:
        """The complex array in the memory of real numbers with a last axis of 2."""
        return array.view(np.dtype(f"c{2 * array.dtype.itemsize}"))[..., 0]

    def give(self, array: Any) -> Any:
        """A result as the caller wants it."""
        return array


class Torch(Library):
    """torch's allocator, and torch's current stream."""

    name = "torch"

    def advice(self, name: str, device: int) -> str:
        return f"torch.as_tensor({name}, device='cuda:{device}')"

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], device: int) -> Any:
        torch = sys.modules["torch"]
        return torch.empty(shape, dtype=_torch_dtype(dtype), device=f"cuda:{device}")

    def pointer(self, array: Any) -> int:
        return int(array.data_ptr())

    def stream(self, device: int) -> int:
        return int(sys.modules["torch"].cuda.current_stream(device).cuda_stream)

    def download(self, array: Any, start: int, end: int) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = array.reshape(-1)[start:end].cpu().numpy()
        return found

    def mark(self, array: Any) -> tuple[Any, int] | None:
        pointer = array.data_ptr()
        if pointer & _ALIGNED or array.requires_grad or array.is_neg() or array.is_conj():
            return None
        return (array.shape, array.stride(), array.dtype, array.device), pointer

    def copy(self, array: Any) -> Any:
        return array.clone()

    def contiguous(self, array: Any) -> Any:
        return array.contiguous().clone()

    def fill(self, place: Any, value: Any) -> None:
        place.copy_(value)

    def upload(self, array: np.ndarray[Any, Any], device: int) -> Any:
        torch = sys.modules["torch"]
        if array.dtype.name == "bfloat16":
            bits = torch.from_numpy(np.array(array).view(np.int16))
            return bits.view(torch.bfloat16).to(f"cuda:{device}")
        return torch.from_numpy(np.array(array)).to(f"cuda:{device}")

    def paired(self, array: Any) -> Any:
        return sys.modules["torch"].view_as_complex(array)


class Jax(Library):
    """CuPy's memory, handed to JAX."""

    name = "jax"

    def advice(self, name: str, device: int) -> str:
        return f"jax.device_put({name})"

    def give(self, array: Any) -> Any:
        return sys.modules["jax"].dlpack.from_dlpack(array)


CUPY, TORCH, JAX = Library(), Torch(), Jax()


_of_class: dict[type, Library | None] = {}


def library_of(kind: type) -> Library | None:
    """CuPy or torch, if ``kind`` is their class of arrays; by class, which is looked at once."""
    try:
        return _of_class[kind]
    except KeyError:
        names = {("cupy", "ndarray"): CUPY, ("torch", "Tensor"): TORCH}
        found = names.get((kind.__module__.partition(".")[0], kind.__name__))
        _of_class[kind] = found
        return found


def is_on_card(value: Any) -> bool:
    """Whether ``value`` is an array whose memory is on a card."""
    package = type(value).__module__.partition(".")[0]
    if package == "torch":
        return hasattr(value, "requires_grad") and value.device.type == "cuda"
    if package == "numpy" or isinstance(value, type):
        return False
    if hasattr(value, "__cuda_array_interface__"):
        return True
    place = getattr(value, "__dlpack_device__", None)
    return place is not None and int(place()[0]) in (_CUDA, _CUDA_MANAGED)


def read(value: Any) -> DeviceArray | None:
    """Where an array on a card lies; None for anything else."""
    if not is_on_card(value):
        return None
    match type(value).__module__.partition(".")[0]:
        case "torch":
            return _read_torch(value)
        case "cupy":
            return _read_cupy(value, value, CUPY)
        case "jax" | "jaxlib":
            return _read_cupy(card().cupy.from_dlpack(value), value, JAX)
    if hasattr(value, "__dlpack__"):
        return _read_cupy(card().cupy.from_dlpack(value), value, CUPY)
    return _read_cupy(card().cupy.asarray(value), value, CUPY)


_borrowed: deque[tuple[Any, list[Any]]] = deque()
_borrowing = threading.Lock()


def hold_borrowed(arrays: Iterable[object]) -> None:
    """Hold those of ``arrays`` whose memory others lend, as JAX does, until all is done that CuPy's
    current stream was given so far: once nobody holds them, others may get that memory. The pools
    of CuPy and torch know the stream."""
    foreign = (a for a in arrays if isinstance(a, DeviceArray) and a.library is not TORCH)
    held = [(a.owner, a.array) for a in foreign if library_of(type(a.owner)) is None]
    if not held:
        return
    on = card()
    if on.is_capturing(on.stream()):
        return
    event = on.event()
    with _borrowing:
        while _borrowed and _borrowed[0][0].done:
            _borrowed.popleft()
        _borrowed.append((event, held))


def _read_cupy(array: Any, owner: Any, library: Library) -> DeviceArray:
    strides = None if array.flags.c_contiguous else tuple(array.strides)
    return DeviceArray(
        int(array.data.ptr), tuple(array.shape), np.dtype(array.dtype), strides,
        int(array.device.id), library, owner, array,
    )  # fmt: skip


def _read_torch(value: Any) -> DeviceArray:
    if value.requires_grad:
        raise ArgumentError(
            "a torch tensor with requires_grad=True was passed, and its gradient would be lost; "
            "pass x.detach()"
        )
    array = value.resolve_neg().resolve_conj()
    dtype = _numpy_dtype(array.dtype)
    strides = None
    if not array.is_contiguous():
        strides = tuple(int(s) * dtype.itemsize for s in array.stride())
    device = array.device.index
    return DeviceArray(
        int(array.data_ptr()), tuple(array.shape), dtype, strides,
        int(device or 0), TORCH, value, array,
    )  # fmt: skip


def _numpy_dtype(dtype: Any) -> np.dtype[Any]:
    name = str(dtype).partition(".")[2]
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    try:
        return np.dtype(name)
    except TypeError:
        raise ArgumentError(f"torch tensors of {dtype} are not known here") from None


def _torch_dtype(dtype: np.dtype[Any]) -> Any:
    return getattr(sys.modules["torch"], dtype.name)


def device_put(value: Any, device: int | str = 0) -> Any:
    """A copy of ``value`` (NumPy's, or what NumPy can read) on a card, as CuPy's array.

    ``device`` is the number of a card, or text such as "cuda:1". An array that is on that card
    already is given back as it is. torch's tensors stay torch's.
    """
    number = _device_number(device)
    held = read(value)
    if held is not None and held.device == number:
        return value
    on = card()
    count = on.count()
    if number >= count:
        there = "card 0" if count == 1 else f"cards 0 to {count - 1}"
        raise ArgumentError(
            f"card {number} was asked for, and this process sees {there}; CUDA_VISIBLE_DEVICES "
            f"says which it sees"
        )
    package = type(value).__module__.partition(".")[0]
    copied = value if package == "torch" else np.asarray(value) if held is None else held.array
    if getattr(copied.dtype, "kind", "") in ("O", "S", "U"):
        raise ArgumentError(
            f"mlc.device_put copies one array of numbers, got {type(value).__name__}; call it for "
            "each of several: {name: mlc.device_put(array) for name, array in arrays.items()}"
        )
    try:
        with on.use(number):
            if package == "torch":
                return value.to(f"cuda:{number}")
            return on.cupy.asarray(copied)
    except Exception as error:
        raise on.error(error, f"copying an array to card {number}") from error


def _device_number(device: int | str) -> int:
    if isinstance(device, str):
        kind, _, text = device.partition(":")
        if kind == "cuda" and (text or "0").isdigit():
            return int(text or "0")
    elif isinstance(device, (int, np.integer)) and not isinstance(device, bool) and device >= 0:
        return int(device)
    raise ArgumentError(f"a card is a number, or text such as 'cuda:0', got {device!r}")
