"""``mlc.build``: tensor expressions and programs as functions that write to arrays of the
caller's."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .compile import TARGETS, CallSpec, Compiled, compile_graph
from .compile_device import with_precision
from .config import config
from .errors import ArgumentError, DTypeError, ShapeError
from .ir.program import Program
from .lowered import CacheRow, Lowered
from .runtime.native_call import callable_type, install, is_installed, prepare
from .specialization import SLOW_CALLS, check_out, is_free, refuse_arguments
from .te.key import topological
from .te.tensor import Compute, Placeholder, Tensor
from .tracer.trace import as_array


class _Built:
    """A function built from tensor expressions: ``f(input, ..., output, ...)`` fills the
    outputs.
    """

    _inputs: tuple[Tensor, ...]
    _outputs: tuple[Tensor, ...]
    _compiled: Compiled
    _is_watched: bool  # in debug mode, where native calls are not used

    def _set_up(self, tensors: tuple[Tensor, ...], compiled: Compiled, row: CacheRow) -> None:
        self._tensors = tensors
        self._inputs, self._outputs = compiled.inputs, compiled.outputs
        self._compiled = compiled
        self._row = row
        self._slow_calls = 0
        self.__name__ = compiled.name
        self.__doc__ = f"Fills {_listed(self._outputs)} from {_listed(self._inputs)}."
        prepare(self, functools.partial(type(self)._call, self))
        self._is_watched = config.debug
        if compiled.executable is not None and not self._is_watched:
            install(self, compiled.executable.signature.address)

    def __repr__(self) -> str:
        return f"<mlc.build {self.__name__}({_listed(self._tensors)})>"

    def _call(self, *args: Any, **kwargs: Any) -> None:
        refuse_arguments(self.__name__, _listed(self._tensors), args, kwargs)
        if len(args) != len(self._tensors):
            raise ArgumentError(
                f"{self.__name__} wants {len(self._tensors)} arrays ({_listed(self._tensors)}), "
                f"got {len(args)}"
            )
        given = dict(zip(self._tensors, enumerate(args)))
        arrays = [_input(self.__name__, t, *given[t]) for t in self._inputs]
        outputs = []
        for tensor in self._outputs:
            place, value = given[tensor]
            name = f"argument {place} ({tensor.name}) of {self.__name__}"
            check_out(value, tensor.shape, tensor.dtype.numpy, name)
            outputs.append(value)
        self._hurry()
        if all(is_free(out, [*arrays, *outputs[:i]]) for i, out in enumerate(outputs)):
            self._compiled.run(arrays, outputs)
            return
        for out, result in zip(outputs, self._compiled.run(arrays)):
            out[...] = result

    def _hurry(self) -> None:
        executable = self._compiled.executable
        if executable is None or self._is_watched or is_installed(self):
            return
        self._slow_calls += 1
        address = executable.signature.address
        install(self, address, build=self._slow_calls >= SLOW_CALLS)

    def lower(self) -> Lowered:
        """Every level of the code: ``.graph .program .schedule .llvm .asm``."""
        return Lowered(self.__name__, self._row, self._compiled)


Built: Any = callable_type("mlc.build.Built", vars(_Built))


def build(what: Any, *, target: str = "cpu", name: str = "", precision: str | None = None) -> Any:
    """A function ``f(*arrays)`` that fills arrays of the caller's.

    ``what`` is a list of te tensors, such as ``[A, B, C]``: then the default schedule is used. Or a
    tensor program, as ``T.program`` makes, or a template, which is compiled for the shapes of each
    call; a schedule, for the program that it has come to; several
    programs by name, such as a ``T.Module``, for an object with a function of each name. Programs
    are compiled as they stand. Their arrays are those of the parameters, in order; what is written
    keeps what it held elsewhere, and may be read. ``precision`` is that of :func:`mlc.jit`.

    Where te tensors read elements at places that the data decide, a place outside of its array
    raises :class:`mlc.BoundsError`, and the outputs hold anything; programs are checked so in debug
    mode alone.
    """
    target = with_precision(target, precision)
    if not isinstance(what, (Tensor, list, tuple)):
        made = _from_program(what, target)
        if made is not None:
            return made
    return _from_tensors(what, target, name)


def _from_program(what: Any, target: str) -> Any:
    """The function for something that is or holds programs; None if it is neither."""
    from .build_program import BuiltModule, BuiltTemplate, build_program

    if isinstance(what, Program):
        return build_program(what, target=target)
    if isinstance(getattr(what, "program", None), Program):
        return build_program(what.program, target=target, schedule=what)
    if hasattr(what, "specialize"):
        return BuiltTemplate(what, target)
    if hasattr(what, "items"):
        return BuiltModule({name: build(part, target=target) for name, part in what.items()})
    return None


def _from_tensors(tensors: Sequence[Tensor], target: str, name: str) -> Any:
    """A function ``f(*arrays)`` with one array for each of ``tensors``: placeholders are read, the
    others are written.

    Arrays must have the shapes and dtypes of the tensors. Inputs of another layout than
    C-contiguous are copied first (a placeholder with ``strides=`` takes arrays of these strides as
    they are), and outputs that are not C-contiguous or share memory with another argument are
    written by way of a copy.
    """
    if isinstance(tensors, Tensor):
        tensors = [tensors]
    chosen = _checked(tensors)
    inputs = tuple(t for t in chosen if isinstance(t.op, Placeholder))
    outputs = tuple(t for t in chosen if isinstance(t.op, Compute))
    if target not in TARGETS:
        raise ArgumentError(f"unknown target {target!r}; expected one of {', '.join(TARGETS)}")
    call = None
    if chosen == (*inputs, *outputs) and target == "cpu":
        call = CallSpec(returns="none", out="required", positional_out=True)
    began = time.perf_counter()
    compiled = compile_graph(
        inputs,
        outputs,
        name=name or _identifier(outputs[-1].name),
        target=target,
        debug=config.debug,
        call=call or CallSpec(returns="none", out="never"),
    )
    row = CacheRow(
        ", ".join(map(repr, chosen)), target, time.time(), 0.0, time.perf_counter() - began,
        compiled.from_cache, "mlc.build",
    )  # fmt: skip
    made = Built()
    made._set_up(chosen, compiled, row)
    return made


def _checked(tensors: Any) -> tuple[Tensor, ...]:
    if not isinstance(tensors, (list, tuple)):
        raise ArgumentError(
            f"mlc.build wants a list of te tensors such as [A, B, C], a tensor program, a "
            f"schedule or a module of programs, got {type(tensors).__name__}"
        )
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise ArgumentError(
                f"mlc.build wants te tensors, but item {i} of the list is {type(tensor).__name__}"
            )
        if not isinstance(tensor.op, (Placeholder, Compute)):
            raise ArgumentError(f"item {i} of the list is a constant: it is no argument")
        if any(tensor is other for other in tensors[:i]):
            raise ArgumentError(f"{tensor.name} stands in the list twice; it can be one argument")
    outputs = [t for t in tensors if isinstance(t.op, Compute)]
    if not outputs:
        raise ArgumentError(
            "nothing to compute: the list holds placeholders only; add the tensors to be filled"
        )
    for needed in topological(outputs):
        if isinstance(needed.op, Placeholder) and not any(needed is t for t in tensors):
            raise ArgumentError(
                f"{outputs[-1].name} is computed from the placeholder {needed.name}, which is not "
                f"in the "
                f"list; add it: mlc.build([{_listed((*tensors[:-1], needed, tensors[-1]))}])"
            )
    return tuple(tensors)


def _input(function: str, tensor: Tensor, place: int, value: Any) -> np.ndarray[Any, Any]:
    """The argument for a placeholder, in the layout that the code expects."""
    name = f"argument {place} ({tensor.name}) of {function}"
    dtype = tensor.dtype.numpy
    if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
        array: Any = np.asarray(value, dtype)
    else:
        array = as_array(value)
    if array is None:
        raise ArgumentError(f"{name} must be an array, got {type(value).__name__}")
    if array.shape != tensor.shape:
        raise ShapeError(f"{name} has shape {array.shape}, expected {tensor.shape}")
    if array.dtype != dtype:
        raise DTypeError(f"{name} has dtype {array.dtype}, expected {dtype}")
    op = tensor.op
    assert isinstance(op, Placeholder)
    if op.strides is None:
        return np.require(array, requirements=("C", "A") if op.aligned else ("C",))
    wanted = tuple(s * dtype.itemsize for s in op.strides)
    used = [d for d, extent in enumerate(array.shape) if extent > 1]
    if array.size and any(array.strides[d] != wanted[d] for d in used):
        raise ArgumentError(
            f"{name} has strides {array.strides} in bytes, expected {wanted} as its placeholder "
            f"says"
        )
    return array


def _listed(tensors: Sequence[Tensor]) -> str:
    return ", ".join(t.name for t in tensors)


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name) or "built"
