"""Calls of jitted functions with arrays on a card: results are of the same kind, on the same card.

Tracing and compiling see stand-ins of the host, which have the shapes and dtypes and are never
read; kernels get the addresses on the card. Nothing is copied but what no kernel can read as it is
(arrays that are not aligned to 16 bytes), and nothing waits for the card.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .config import config
from .device_plan import plan_of
from .errors import ArgumentError, DTypeError, ShapeError
from .ops.op import CURRENT
from .quick_call import QuickCalls
from .resizing import chosen_sizes, counted_by
from .runtime.cuda.arrays import CUPY, JAX, DeviceArray, Library, hold_borrowed, read
from .runtime.cuda.card import card
from .specialization import MISS
from .tracer import tree
from .tracer.deciding import ValuesWanted, check_limits
from .tracer.sizes import SizesChangedError

Array = np.ndarray[Any, Any]
_ALIGNMENT = 16  # bytes: the widest access of a thread
_NORESERVE = 0x4000  # Linux's MAP_NORESERVE: pages that nobody touches take no memory


def device_caller(jitted: Any, plain: Callable[..., Any]) -> Callable[..., Any]:
    """What is called for ``jitted``, which is compiled for cards; ``plain`` is what it is called by
    otherwise."""
    jitted._quick = QuickCalls()
    return functools.partial(device_call, jitted, plain)


def device_call(jitted: Any, plain: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A call of ``jitted``; ``plain`` takes those without an array on a card."""
    try:
        return _device_call(jitted, plain, args, kwargs)
    except ValuesWanted as wanted:
        with jitted._lock, jitted._parameters.knowing(wanted.names):
            return device_call(jitted, plain, *args, **kwargs)


def _device_call(
    jitted: Any, plain: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if CURRENT.get() is not None:
        return plain(*args, **kwargs)
    jitted._follow_defaults()
    if not kwargs:
        result = jitted._quick.run(jitted._entries, args)
        if result is not MISS:
            return result
    out = None if jitted._parameters.has_out else kwargs.get("out")
    leaves, structure = tree.flatten((args, kwargs))
    arrays = [read(leaf) for leaf in leaves]
    first = next((array for array in arrays if array is not None), None)
    if first is None:
        return plain(*args, **kwargs)
    on = card()
    current = first.device == on.device()
    with contextlib.nullcontext() if current else on.use(first.device):
        for n, array in enumerate(arrays):
            if array is not None:
                _check_device(array, first, jitted._parameters.function)
                arrays[n] = _readable(array)
        stands: dict[int, DeviceArray] = {}
        stood = []
        for leaf, array in zip(leaves, arrays):
            if array is None:
                stood.append(leaf)
                continue
            stand = _stand_in(array)
            stands[id(stand)] = array
            stood.append(stand)
        stood_args, stood_kwargs = tree.unflatten(structure, stood)
        if out is not None:
            del stood_kwargs["out"]
        call = _Call(jitted, first, stood_args, stood_kwargs, stands)
        while True:
            try:
                result = call.run() if out is None else call.run_into(out)
                break
            except SizesChangedError as changed:
                call.resize(changed.sizes)
        if out is not None:
            return result
        compiled = call.entry.compiled
        if not kwargs and compiled is not None:
            jitted._quick.remember(
                jitted._entries, args, call.entry, plan_of(compiled), first.device
            )
        return result


def built_call(compiled: Any, name: str, args: Sequence[Any]) -> bool:
    """A call of a program that was compiled for cards, over arrays of a card, one for each of its
    params; False, and nothing done, if none of them is on a card."""
    arrays = [read(value) for value in args]
    first = next((array for array in arrays if array is not None), None)
    if first is None:
        return False
    held: list[DeviceArray] = []
    count = len(compiled.inputs)
    for n, (buffer, array) in enumerate(zip(compiled.program.params, arrays, strict=True)):
        label = f"argument {n} ({buffer.name}) of {name}"
        if array is None:
            raise ArgumentError(
                f"{label} is on the host, and others are on card {first.device}; copy it there "
                f"with mlc.device_put"
            )
        _check_device(array, first, name)
        if array.shape != tuple(buffer.shape):
            raise ShapeError(f"{label} has shape {array.shape}, expected {buffer.shape}")
        if array.dtype != buffer.dtype.numpy:
            raise DTypeError(f"{label} has dtype {array.dtype}, expected {buffer.dtype.numpy}")
        if not _lies_as(array, buffer):
            if n >= count:
                raise ArgumentError(
                    f"{label} is written to, and must be C-contiguous and aligned to "
                    f"{_ALIGNMENT} bytes"
                )
            if buffer.strides is not None:
                raise ArgumentError(f"{label} must have the strides {buffer.strides}")
            array = read(array.library.contiguous(array.array))
            assert array is not None
        held.append(array)
    on = card()
    plan = plan_of(compiled)
    current = first.device == on.device()
    with contextlib.nullcontext() if current else on.use(first.device):
        constants = [CUPY.pointer(a) for a in plan.held_constants(first.device)]
        pointers = [array.pointer for array in held]
        pointers[count:count] = constants
        space = plan.launch(pointers, first.library, first.device)
        hold_borrowed(held)
        plan.raise_failed(space, first.library)
    return True


def _lies_as(array: DeviceArray, buffer: Any) -> bool:
    """Whether kernels can read or write ``array`` as ``buffer``."""
    if buffer.strides is None:
        return array.strides is None and array.pointer % _ALIGNMENT == 0
    size = array.dtype.itemsize
    steps = array.strides or _contiguous(array.shape, size)
    return all(
        n < 2 or got == wanted * size for n, got, wanted in zip(array.shape, steps, buffer.strides)
    )


def _contiguous(shape: Sequence[int], size: int) -> tuple[int, ...]:
    steps: list[int] = []
    for extent in reversed(shape):
        steps.insert(0, size)
        size *= extent
    return tuple(steps)


class _Call:
    """One call: the entry for it, and what its kernels are launched with."""

    def __init__(
        self,
        jitted: Any,
        first: DeviceArray,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        stands: dict[int, DeviceArray],
    ) -> None:
        self.jitted, self.parameters = jitted, jitted._parameters
        args, kwargs = self.parameters.arrange(args, kwargs)
        self.args, self.kwargs, self.stands = args, kwargs, stands
        self.name: str = self.parameters.function
        self.library: Library = first.library
        self.device = first.device
        self.entry: Any = None
        self.inputs: list[DeviceArray | Array] = []
        self.names: list[str] = []
        self.resize(())

    def resize(self, sizes: tuple[int, ...]) -> None:
        """Take the code for ``sizes``, the first of those that the data choose."""
        jitted, args, kwargs = self.jitted, self.args, self.kwargs
        signature = self._signature()
        entry, _ = jitted._find(signature, sizes)
        if entry is None:
            with counted_by(self._counted):
                entry = jitted._compile(signature, args, kwargs, sizes)
        self.entry = entry
        self._complex = entry.traced.complex_leaves
        _, arrays = self.parameters.keys(args, kwargs)
        sources = self.parameters.sources(args, kwargs)
        check_limits(self.entry.traced.limits, arrays, lambda: sources)
        self.inputs, self.names = [], []
        for (name, value), array in zip(sources, arrays, strict=True):
            self.names.append(name)
            self.inputs.append(self._placed(name, value, array))
        self._pairs = self._complex_outputs()

    def _complex_outputs(self) -> frozenset[int]:
        """The outputs that hold complex numbers."""
        traced = self.entry.traced
        kinds = zip(traced.results, self._complex)
        found = [r.value for r, pair in kinds if pair and r.kind in ("output", "again")]
        for output, number in traced.writes:
            place = self.inputs[number]
            if isinstance(place, DeviceArray) and place.dtype.kind == "c":
                found.append(output)
        return frozenset(found)

    def _signature(self) -> Any:
        keys, _ = self.parameters.keys(self.args, self.kwargs)
        return keys, tuple(self.kwargs), bool(config.debug)

    def _check_chosen(self) -> None:
        """SizesChangedError if the data choose others than the code at hand was compiled for: it
        computes with elements that there are not, and what it refuses is not refused."""
        sizes = self.entry.traced.sizes
        if sizes is None:
            return
        with counted_by(self._counted):
            found = chosen_sizes(self.jitted, self._signature(), self.args, self.kwargs)
        if found != sizes.expected:
            raise SizesChangedError(found)

    def _placed(self, name: str, value: Any, array: Array) -> DeviceArray | Array:
        """An argument where it lies: on the card, but for numbers."""
        place = self.stands.get(id(value))
        if place is None and array.size > 1 + np.iscomplexobj(value):
            raise ArgumentError(
                f"argument {name} of {self.name} is on the host, and others are on card "
                f"{self.device}; copy it there with {self.library.advice(name, self.device)}"
            )
        return array if place is None else place

    def _counted(self, compiled: Any, arrays: Sequence[Array]) -> Array:
        """How much there is, by ``compiled`` over what the stand-ins ``arrays`` stand for."""
        sources = self.parameters.sources(self.args, self.kwargs)
        inputs = [self._placed(name, value, array) for (name, value), array in zip(sources, arrays)]
        plan = plan_of(compiled)
        why = "has sizes that its data decide, for which its call waits"
        plan.refuse_capture(why, self.library.stream(self.device))
        held, _ = plan.run(inputs, [None] * len(plan.outputs), self.library, self.device)
        return plan.download(held[-1], self.library, 0, 1)

    def run(self) -> Any:
        traced = self.entry.traced
        self._check_writes()
        computed = self._compute([None] * len(traced.outputs))
        self._write(computed)
        leaves = [self._leaf(n, computed) for n in range(len(traced.results))]
        hold_borrowed(self.inputs)
        given = [self.library.give(x) if new else x for x, new in leaves]
        if traced.structure is None:
            return given[0]
        if isinstance(traced.structure, type):
            return traced.structure(given)
        return tree.unflatten(traced.structure, given)

    def run_into(self, out: Any) -> Any:
        """The results written to ``out``, an array on the card or a tuple of them."""
        traced = self.entry.traced
        self._check_writes()
        places = list(out) if isinstance(out, (tuple, list)) else [out]
        if len(places) != len(traced.results):
            raise ArgumentError(f"{self.name} returns {len(traced.results)} arrays, and out has "
                                f"{len(places)}")  # fmt: skip
        held = [self._out(place, n) for n, place in enumerate(places)]
        direct: list[DeviceArray | None] = [None] * len(traced.outputs)
        used = [_memory(array) for array in self.inputs if isinstance(array, DeviceArray)]
        for n, (place, result) in enumerate(zip(held, traced.results)):
            others = [*used, *held[:n], *held[n + 1 :]]
            free = place.strides is None and not any(map(place.overlaps, others))
            free = free and place.target is place.array
            aligned = place.pointer % _ALIGNMENT == 0
            if result.kind == "output" and free and aligned and self._fits(place, result.value):
                direct[result.value] = place
        computed = self._compute(direct)
        self._write(computed)
        for n, (place, result) in enumerate(zip(held, traced.results)):
            if result.kind == "output" and direct[result.value] is place:
                continue
            leaf, _new = self._leaf(n, computed)
            if tuple(leaf.shape) != place.shape:
                raise ShapeError(f"out has shape {place.shape}, expected {tuple(leaf.shape)}")
            place.library.fill(place.target, leaf)
        hold_borrowed(self.inputs)
        return out

    def _out(self, place: Any, number: int) -> DeviceArray:
        held = read(place)
        if held is None or held.device != self.device or held.library is not self.library:
            raise ArgumentError(
                f"out of {self.name} must be a {self.library.name} array on card {self.device}, as "
                f"the arguments are; result {number} got {type(place).__name__}"
            )
        return held

    def _compute(self, direct: Sequence[DeviceArray | None]) -> list[Any]:
        """The outputs of the graph, as arrays of the library; ``direct`` says where to."""
        compiled = self.entry.compiled
        if compiled is None:
            return []
        plan, traced = plan_of(compiled), self.entry.traced
        waits = [] if traced.failure is None else [traced.failure.output]
        waits += () if traced.sizes is None else traced.sizes.outputs
        if waits:
            why = "has errors or sizes that its data decide, for which its call waits"
            plan.refuse_capture(why, self.library.stream(self.device))
        places = [None if place is None else place.array for place in direct]
        held, space = plan.run(self.inputs, places, self.library, self.device)
        try:
            plan.raise_failed(space, self.library)
        except Exception:
            self._check_chosen()
            raise
        made = list(held)
        for n in waits:
            made[n] = plan.download(held[n], self.library, 0, 1)
        if traced.sizes is not None:
            traced.sizes.check(made)
        if traced.failure is not None:
            traced.failure.check(made)
        for n in self._pairs:
            if places[n] is None:
                held[n] = self.library.paired(held[n])
        return held

    def _fits(self, place: DeviceArray, number: int) -> bool:
        """Whether kernels may write output ``number`` to ``place``."""
        tensor = self.entry.traced.outputs[number]
        dtype, shape = tensor.dtype.numpy, tuple(tensor.shape)
        if number in self._pairs:
            dtype, shape = np.dtype(f"c{2 * dtype.itemsize}"), shape[:-1]
        if place.dtype != dtype and not np.can_cast(dtype, place.dtype, "same_kind"):
            raise DTypeError(f"out has dtype {place.dtype}, expected {dtype}")
        return place.shape == shape and place.dtype == dtype

    def _leaf(self, number: int, computed: Sequence[Any]) -> tuple[Any, bool]:
        """Leaf ``number`` of the result, and whether it is a new array of the library. Numbers stay
        arrays of shape () on the card."""
        library, result = self.library, self.entry.traced.results[number]
        match result.kind:
            case "output":
                return computed[result.value], True
            case "again":
                return library.copy(computed[result.value]), True
            case "row":
                place, number = result.value
                return library.copy(computed[place][number]), True
            case "input" | "copy":
                found = self.inputs[result.value]
                if not isinstance(found, DeviceArray):
                    return self._uploaded(found, number), True
                is_copy = result.kind == "copy"
                return (library.copy(found.array), True) if is_copy else (found.owner, False)
            case "constant":
                return self._uploaded(result.value, number), True
        return result.value, False

    def _uploaded(self, value: Any, number: int) -> Any:
        """What the host has of leaf ``number``, on the card."""
        found = self.library.upload(np.asarray(value), self.device)
        return self.library.paired(found) if self._complex[number] else found

    def _check_writes(self) -> None:
        traced = self.entry.traced
        for _, number in traced.writes:
            place, name = self.inputs[number], self.names[number]
            if not isinstance(place, DeviceArray):
                raise ArgumentError(
                    f"argument {name} of {self.name} is written to, and is no array on card "
                    f"{self.device} that it could be written to; see mlc.device_put"
                )
            if place.library is JAX:
                raise ArgumentError(
                    f"argument {name} of {self.name} is written to, and JAX's arrays never change; "
                    f"return the result instead"
                )
            for other, array in enumerate(self.inputs):
                if other == number or not isinstance(array, DeviceArray):
                    continue
                if _memory(place).overlaps(_memory(array)):
                    raise ArgumentError(
                        f"arguments {name} and {self.names[other]} share memory, and {name} is "
                        f"written to; what {self.names[other]} then holds is not defined here: "
                        f"pass a copy of one of them"
                    )

    def _write(self, computed: Sequence[Any]) -> None:
        for output, number in self.entry.traced.writes:
            place = self.inputs[number]
            assert isinstance(place, DeviceArray)
            self.library.fill(_memory(place).target, computed[output])


def _check_device(array: DeviceArray, first: DeviceArray, name: str) -> None:
    if array.device != first.device:
        raise ArgumentError(
            f"the arrays passed to {name} are on card {first.device} and on "
            f"card {array.device}; copy them to one, with mlc.device_put"
        )
    if array.library is not first.library:
        raise ArgumentError(
            f"the arrays passed to {name} are of {first.library.name} and "
            f"of {array.library.name}; pass arrays of one library"
        )


def _readable(array: DeviceArray) -> DeviceArray:
    """``array``, or a copy that kernels can read: aligned, with strides of whole elements."""
    size = array.dtype.itemsize
    whole = array.strides is None or all(
        n < 2 or s % size == 0 for n, s in zip(array.shape, array.strides)
    )
    if whole and (array.pointer % _ALIGNMENT == 0 or array.strides is not None):
        return array
    copied = array.library.contiguous(array.array)
    made = read(copied)
    assert made is not None
    return DeviceArray(
        made.pointer, made.shape, made.dtype, made.strides, made.device, made.library, array.owner,
        copied,
    )  # fmt: skip


def _stand_in(array: DeviceArray) -> Array:
    """An array of the host with the shape, dtype and strides of one on a card. Nobody reads it:
    its pages are never made."""
    low, high = 0, array.dtype.itemsize
    for n, stride in zip(array.shape, array.strides or ()):
        low, high = min(low, low + (n - 1) * stride), max(high, high + (n - 1) * stride)
    if array.strides is None:
        high = max(array.nbytes, 1)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
    memory = mmap.mmap(-1, max(high - low, 1), flags=flags)
    return np.ndarray(array.shape, array.dtype, memory, -low, array.strides)


def _memory(array: DeviceArray) -> DeviceArray:
    """What the caller passed, where kernels read a copy of it."""
    found = read(array.owner)
    assert found is not None
    return found
