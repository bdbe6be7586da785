"""A tensor program as a function that writes to arrays of the caller's."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .compile import CallSpec
from .compile_program import CompiledProgram, buffer_spec, compile_program
from .config import config
from .errors import ArgumentError, DTypeError, ShapeError
from .ir.program import Buffer, Program
from .ir.unsafe import unsafe_mark
from .lowered import CacheRow, Lowered
from .runtime.native_call import callable_type, install, is_installed, prepare
from .specialization import SLOW_CALLS, check_out, is_free, refuse_arguments
from .tracer.trace import as_array

Array = np.ndarray[Any, Any]


class _BuiltProgram:
    """A function built from a tensor program: ``f(*arrays)`` with one array for each parameter, in
    the program's order; the last ones are written."""

    _compiled: CompiledProgram

    def _set_up(self, compiled: CompiledProgram, row: CacheRow) -> None:
        self._compiled = compiled
        self._row = row
        self._slow_calls = 0
        self._buffers = compiled.program.params
        self.__name__ = compiled.name
        self.__doc__ = (
            f"Fills {_listed(compiled.outputs)} from {_listed(compiled.inputs) or 'nothing'}."
        )
        prepare(self, functools.partial(type(self)._call, self))
        if self._is_direct():
            assert compiled.executable is not None
            install(self, compiled.executable.signature.address)

    def __repr__(self) -> str:
        mark = unsafe_mark(self._compiled.program)
        return f"<mlc.build {self.__name__}({_listed(self._buffers)}){mark}>"

    def _is_direct(self) -> bool:
        """Whether native code may take the call: it checks what is written, and reports errors."""
        found = self._compiled.executable
        return found is not None and bool(found.spec.outputs) and not self._compiled.debug

    def _call(self, *args: Any, **kwargs: Any) -> None:
        refuse_arguments(self.__name__, _listed(self._buffers), args, kwargs)
        if len(args) != len(self._buffers):
            raise ArgumentError(
                f"{self.__name__} wants {len(self._buffers)} arrays ({_listed(self._buffers)}), "
                f"got {len(args)}"
            )
        compiled, count = self._compiled, len(self._compiled.inputs)
        if compiled.target == "cuda":
            from .device_call import built_call

            if built_call(compiled, self.__name__, args):
                return
        pairs = enumerate(zip(self._buffers, args, strict=True))
        names = [f"argument {n} ({buffer.name}) of {self.__name__}" for n, (buffer, _) in pairs]
        arrays = [_input(*triple) for triple in zip(names[:count], compiled.inputs, args[:count])]
        outputs = []
        for name, buffer, value in zip(names[count:], compiled.outputs, args[count:]):
            check_out(value, buffer.shape, buffer.dtype.numpy, name)
            outputs.append(value)
        if self._is_direct() and not is_installed(self):
            self._slow_calls += 1
            assert compiled.executable is not None
            address = compiled.executable.signature.address
            install(self, address, build=self._slow_calls >= SLOW_CALLS)
        held = [
            out if _fits(out, buffer, [*arrays, *outputs[:i]]) else _copied(out, buffer)
            for i, (out, buffer) in enumerate(zip(outputs, compiled.outputs, strict=True))
        ]
        compiled.run(arrays, held)
        for out, result in zip(outputs, held, strict=True):
            if out is not result:
                out[...] = result

    def lower(self) -> Lowered:
        """Every level of the code: ``.program .schedule .numpy .llvm .asm``."""
        return Lowered(self.__name__, self._row, self._compiled)


BuiltProgram: Any = callable_type("mlc.build.BuiltProgram", vars(_BuiltProgram))


class BuiltTemplate:
    """A function built from a template: the program for the shapes of each call is made and
    compiled when they are seen for the first time."""

    def __init__(self, template: Any, target: str) -> None:
        self.template = template
        self.target = target
        self.__name__ = template.name
        self._built: dict[tuple[tuple[int, ...], ...], Any] = {}

    def __repr__(self) -> str:
        return f"<mlc.build {self.__name__}, a template, compiled for {len(self._built)} shapes>"

    def __call__(self, *args: Any) -> None:
        self._function(args)(*args)

    def lower(self, *args: Any) -> Lowered:
        """Every level of the code for the shapes of ``args``."""
        return self._function(args).lower()  # type: ignore[no-any-return]

    def _function(self, args: tuple[Any, ...]) -> Any:
        shapes = tuple(map(np.shape, args))
        found = self._built.get(shapes)
        if found is None:
            program = self.template.specialize(shapes)
            found = self._built[shapes] = build_program(program, target=self.target)
        return found


class BuiltModule(Mapping[str, Any]):
    """Functions by name: ``m["mm"]`` or ``m.mm``."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = dict(functions)

    def __getitem__(self, name: str) -> Any:
        return self._functions[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._functions:
            raise AttributeError(
                f"this module has no function {name!r}; it has {', '.join(self._functions)}"
            )
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __repr__(self) -> str:
        return f"<mlc.build module of {', '.join(self._functions) or 'nothing'}>"


def build_program(program: Program, *, target: str = "cpu", schedule: Any = None) -> Any:
    """``f(*arrays)``, which runs ``program`` on one array for each of its parameters.

    Arrays must have the shapes and dtypes of the parameters. Those that are written keep what they
    hold where the program does not write, and it may read what they hold. ``schedule`` is where the
    program came from, if it is to be shown.
    """
    began = time.perf_counter()
    call = CallSpec(returns="none", out="required", positional_out=True)
    naive = getattr(schedule, "original", None)
    compiled = compile_program(
        program, target=target, debug=config.debug, call=call, naive=naive, schedule=schedule
    )
    row = CacheRow(
        ", ".join(map(repr, program.params)), target, time.time(), 0.0,
        time.perf_counter() - began, compiled.from_cache, "mlc.build",
    )  # fmt: skip
    made = BuiltProgram()
    made._set_up(compiled, row)
    return made


def _input(name: str, buffer: Buffer, value: Any) -> Array:
    """The argument for a parameter that is read, in the layout that the program expects."""
    dtype = buffer.dtype.numpy
    if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
        array: Any = np.asarray(value, dtype)
    else:
        array = as_array(value)
    if array is None:
        raise ArgumentError(f"{name} must be an array, got {type(value).__name__}")
    if array.shape != buffer.shape:
        raise ShapeError(f"{name} has shape {array.shape}, expected {buffer.shape}")
    if array.dtype != dtype:
        raise DTypeError(f"{name} has dtype {array.dtype}, expected {dtype}")
    return array if buffer_spec(buffer).mismatch(array) is None else _copied(array, buffer)


def _fits(out: Array, buffer: Buffer, others: Sequence[Array]) -> bool:
    """Whether the program can write to ``out`` itself, while ``others`` are in use."""
    if buffer.strides is None:
        return is_free(out, others)
    fits = buffer_spec(buffer).mismatch(out) is None
    return fits and not any(np.may_share_memory(out, other) for other in others)


def _copied(array: Array, buffer: Buffer) -> Array:
    """A copy of ``array`` in the layout of ``buffer``."""
    if buffer.strides is None or 0 in buffer.shape:
        return np.array(array, order="C")
    steps = list(zip(buffer.shape, buffer.strides, strict=True))
    first = -sum((n - 1) * s for n, s in steps if s < 0)
    memory = np.empty(1 + sum((n - 1) * abs(s) for n, s in steps), buffer.dtype.numpy)
    size = buffer.dtype.itemsize
    strides = tuple(s * size for s in buffer.strides)
    copy = np.ndarray(buffer.shape, memory.dtype, memory, first * size, strides)
    copy[...] = array
    return copy


def _listed(buffers: Sequence[Buffer]) -> str:
    return ", ".join(b.name for b in buffers)
