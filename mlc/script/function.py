"""From a Python function to a program, or to a template where sizes are left open."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import ArgumentError, ShapeError, SourceLocation
from ..ir.array_functions import explained_index
from ..ir.html import script_html
from ..ir.outputs import count_outputs, written_buffers
from ..ir.program import Buffer, Program, Stmt
from .sizes import Dim, dim, size_at
from .trace import Trace, new_buffer
from .values import Handle


@dataclass(frozen=True, eq=False)
class BufferType:
    """What a parameter is: ``A: T.Buffer((128, "n"), "float32")``."""

    shape: tuple[Any, ...]
    dtype: Any = "float32"
    strides: Any = None
    scope: str = "global"
    aligned: bool = True

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the sizes that are left open."""
        parts = (*self.shape, *(self.strides or ()))
        sizes = [dim(p) if isinstance(p, str) else p for p in parts]
        return tuple(dict.fromkeys(n for s in sizes if isinstance(s, Dim) for n in s.names))


def buffer(
    shape: Any,
    dtype: Any = "float32",
    strides: Sequence[int] | None = None,
    scope: str = "global",
    aligned: bool = True,
) -> Any:
    """The type of a parameter. ``shape`` holds integers, T.dim sizes and names of such sizes;
    ``strides`` are in elements; ``aligned=False`` admits any address."""
    return BufferType(
        tuple(shape) if isinstance(shape, (tuple, list)) else (shape,),
        dtype,
        None if strides is None else tuple(strides),
        scope,
        aligned,
    )


class Template:
    """A program whose sizes are chosen later.

    ``at(n=64)`` is the program for one size. Who compiles it asks ``specialize(shapes)``, with one
    shape for each parameter, for the program that fits arrays of these shapes. Both remember what
    they made: the same sizes give the same object. ``schedules`` are taken on each of them.
    """

    def __init__(
        self, source: Source, schedules: tuple[Callable[[Program], Program], ...] = ()
    ) -> None:
        self.name = source.name
        self.dims = source.dims
        self.schedules = schedules
        self._source = source
        self._made: dict[tuple[int, ...], Program] = {}

    def scheduled(self, schedule: Callable[[Program], Program]) -> Template:
        """The template of the same programs after ``schedule``, such as a function under
        ``@mlc.schedule``."""
        return Template(self._source, (*self.schedules, schedule))

    def __repr__(self) -> str:
        return self.script()

    def script(self) -> str:
        """The source as it was written, under its schedules: in it the open sizes go by their
        names."""
        try:
            text = textwrap.dedent(inspect.getsource(self._source.function)).rstrip()
            above = text[: text.index("def ")].splitlines()
            taken = [f"@{schedule!r}" for schedule in reversed(self.schedules)]
            return "\n".join([*(line for line in taken if line not in above), text])
        except (OSError, TypeError):
            params = ", ".join(
                f"{name}: [{', '.join(map(str, kind.shape))}]"
                for name, kind in self._source.params.items()
            )
            return f"{self.name}({params}), a template over {', '.join(self.dims)}"

    def _repr_html_(self) -> str:
        return script_html(self.script())

    def at(self, **sizes: int) -> Program:
        """The program for these sizes, one for each of ``dims``."""
        if sizes.keys() != set(self.dims):
            raise ArgumentError(
                f"{self.name} leaves the sizes {', '.join(self.dims)} open; "
                f"got {', '.join(sizes) or 'none'}"
            )
        key = tuple(int(sizes[name]) for name in self.dims)
        if any(size < 0 for size in key):
            raise ShapeError(f"expected sizes >= 0, got {sizes}")
        program = self._made.get(key)
        if program is None:
            program = self._source.trace(dict(zip(self.dims, key)))
            for schedule in self.schedules:
                program = schedule(program)
            self._made[key] = program
        return program

    def specialize(self, shapes: Sequence[Sequence[int]], some: bool = False) -> Program:
        """The program for arrays of these ``shapes``, one for each parameter; with ``some`` for
        each of the first ones, which must tell all sizes then."""
        kinds = self._source.params
        if len(shapes) > len(kinds) or len(shapes) < len(kinds) and not some:
            raise ArgumentError(f"{self.name} takes {len(kinds)} arrays, got {len(shapes)}")
        sizes: dict[str, int] = {}
        for kind, shape in zip(kinds.values(), shapes):
            for wanted, size in zip(kind.shape, shape):
                name = wanted.text if isinstance(wanted, Dim) else wanted
                if isinstance(name, str) and name in self.dims:
                    sizes.setdefault(name, int(size))
        missing = [name for name in self.dims if name not in sizes]
        if missing:
            raise ShapeError(
                f"the shapes do not tell size {missing[0]!r} of {self.name}: no array has it as "
                f"the size of an axis; choose it with .at({missing[0]}=...)"
            )
        for (name, kind), shape in zip(kinds.items(), shapes):
            wanted = size_at(kind.shape, sizes)
            if wanted != tuple(shape):
                raise ShapeError(
                    f"{name} of {self.name} has shape {tuple(shape)}, expected "
                    f"({', '.join(map(str, kind.shape))}), which is {wanted} where "
                    f"{', '.join(f'{n}={v}' for n, v in sizes.items())}"
                )
        return self.at(**sizes)

    def __call__(self, *_: Any) -> NoReturn:
        raise ArgumentError(
            f"{self.name} is a template, not a function: compile it with mlc.build({self.name})"
        )


@dataclass(frozen=True, eq=False)
class Source:
    """A function that becomes a program each time it is traced."""

    function: Callable[..., Any]
    name: str
    params: Mapping[str, BufferType]
    outputs: int | None
    writes: tuple[str, ...] | None
    attrs: Mapping[str, Any]
    location: SourceLocation

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the sizes that are left open, in order of appearance."""
        return tuple(dict.fromkeys(n for kind in self.params.values() for n in kind.dims))

    def program(self) -> Program | Template:
        """The program that the function is, or the template where sizes are left open."""
        return Template(self) if self.dims else self.trace({})

    def trace(self, sizes: Mapping[str, int]) -> Program:
        """The program that the function is for these sizes."""
        trace = Trace(self.name, sizes, unsafe="unsafe" in self.attrs)
        buffers = [
            new_buffer(
                name,
                size_at(kind.shape, sizes),
                kind.dtype,
                size_at(kind.strides, sizes),
                kind.scope,
                kind.aligned,
            )
            for name, kind in self.params.items()
        ]
        trace.buffers.update(buffers)
        with trace:
            try:
                result = self.function(*(Handle(b, trace) for b in buffers))
            except IndexError as error:
                raise explained_index(error) from None
            if result is not None:
                raise ArgumentError(
                    f"program {self.name} returns {result!r}; a program returns nothing: "
                    f"it writes its results into the buffers it is given, which stand last",
                    self.location,
                )
            body = trace.close(trace.levels[0])
        program = Program(
            self.name,
            tuple(buffers),
            body,
            self._count_outputs(trace, tuple(buffers), body),
            dict(self.attrs),
        )
        if not trace.unsafe:
            from .legal import check_legal

            check_legal(program, trace.loops, trace.is_undecided)
        return program

    def _count_outputs(self, trace: Trace, params: tuple[Buffer, ...], body: Stmt) -> int:
        stated = self.outputs
        if self.writes is not None:
            self._check_writes(trace, params, body)
        elif stated is None:
            counted = count_outputs(params, body)
            if isinstance(counted, str):
                raise ArgumentError(f"program {self.name}: {counted}", self.location)
            return counted
        if not isinstance(stated, int) or not 0 <= stated <= len(params):
            raise ArgumentError(
                f"program {self.name} has {len(params)} parameters, and outputs={stated!r}",
                self.location,
            )
        if self.writes is not None:
            return stated
        written, passed = written_buffers(body)
        for position, param in enumerate(params):
            is_output = position >= len(params) - stated
            if param in written and not is_output:
                raise ArgumentError(
                    f"program {self.name} has outputs={stated}, but it writes {param.name}, which "
                    f"is not among the last {stated} of its parameters",
                    trace.writers.get(param, self.location),
                )
            if is_output and param not in written and param not in passed:
                raise ArgumentError(
                    f"program {self.name} has outputs={stated}, but it never writes {param.name}",
                    self.location,
                )
        return stated

    def _check_writes(self, trace: Trace, params: tuple[Buffer, ...], body: Stmt) -> None:
        written, _ = written_buffers(body)
        found = tuple(param.name for param in params if param in written)
        if set(found) != set(self.writes or ()):
            wrong = next((p for p in params if p in written and p.name not in self.writes), None)  # type: ignore[operator]
            raise ArgumentError(
                f"program {self.name} has writes={self.writes!r}, but it writes "
                f"{', '.join(found) or 'none of its parameters'}",
                trace.writers.get(wrong, self.location) if wrong else self.location,
            )


def program(
    function: Callable[..., Any] | None = None,
    *,
    outputs: int | None = None,
    writes: Sequence[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """The program that a function over buffers describes.

    The function runs once; what it does to its buffers becomes statements. Its parameters are
    annotated with ``T.Buffer``. Those that are written come last: they are the outputs, and
    ``outputs=`` may say how many. A program that writes other parameters too, to work in them, has
    ``outputs=`` and names all it writes: ``writes=("scratch", "C")``. With sizes left open the
    result is a :class:`Template`.
    """
    names = sys._getframe(1).f_locals

    def decorate(inner: Callable[..., Any]) -> Program | Template:
        return source_of(inner, names, outputs, writes, attrs).program()

    return decorate if function is None else decorate(function)


def source_of(
    function: Callable[..., Any],
    names: Mapping[str, Any],
    outputs: int | None = None,
    writes: Sequence[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Source:
    """``function`` with its signature read; ``names`` are the local names where it is defined."""
    if not inspect.isfunction(function):
        raise ArgumentError(f"T.program wants a function, got {function!r}")
    code = function.__code__
    location = SourceLocation(code.co_filename, code.co_firstlineno, function.__name__)
    params: dict[str, BufferType] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = parameter.annotation
        if isinstance(kind, str):
            kind = _evaluated(function, kind, names, name, location)
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or not isinstance(
            kind, BufferType
        ):
            raise ArgumentError(
                f"parameter {name} of program {function.__name__} must say what buffer it is: "
                f'{name}: T.Buffer((128, 128), "float32")',
                location,
            )
        params[name] = kind
    named = None if writes is None else tuple(writes)
    return Source(function, function.__name__, params, outputs, named, dict(attrs or {}), location)


def _evaluated(
    function: Callable[..., Any],
    text: str,
    names: Mapping[str, Any],
    param: str,
    location: SourceLocation,
) -> Any:
    """The value of an annotation that is a string, with the names that the function sees."""
    closure = inspect.getclosurevars(function).nonlocals
    try:
        return eval(text, function.__globals__, {**names, **closure})  # type: ignore[attr-defined]
    except NameError as problem:
        raise ArgumentError(
            f"the annotation of parameter {param} of program {function.__name__}: {problem}",
            location,
        ) from None
