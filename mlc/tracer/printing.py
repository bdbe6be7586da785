"""What ``print`` shows of traced values: found out at each call, where tracing knows none of them.

::

    print(f"{n}: {loss:.3f}")        A traced value shows itself as a text that nobody else shows.
                                     `Prints` finds those in what is printed; the rest of it is the
                                     same at each call. Compiled code tells the values at that place
                                     (`mlc.ops.printing`), and `Heard` makes the text of them.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import DIGITS, EDGE, visible
from ..ir.printing import listening
from ..records import dataclass, replace
from ..te.extent import Extent
from ..te.tensor import Tensor
from .grown import Grown, ListResult, RowsResult, Tabled, TableResult
from .held_lists import HeldLists
from .sinks import Sink
from .ways import in_way

_MARK = re.compile(f"{EDGE}[^{EDGE}]*{EDGE}([{DIGITS}]+){EDGE}")


@dataclass(frozen=True)
class Value:
    """A number or an array as it is told: it, or the two parts of a complex one (``parts``), then
    the sizes that the data chose, of these ``axes``. Weak values are Python's numbers, others
    without axes scalars if they are no arrays."""

    parts: int
    axes: tuple[int, ...]
    weak: bool
    is_array: bool

    def items(self, told: Sequence[np.ndarray[Any, Any]]) -> Any:
        """The value."""
        value: Any = told[0] if self.parts == 1 else _complex(*told[:2])
        for axis, size in zip(self.axes, told[self.parts :]):
            value = value[(slice(None),) * axis + (slice(int(size)),)]
        if not value.shape and not self.is_array:
            value = value[()]
        return value.item() if self.weak else value


@dataclass(frozen=True)
class Plain:
    """Makes a dict or a set of Python's in the place of one of class ``kind``."""

    kind: Any
    options: Any

    def __call__(self, items: Any) -> Any:
        return self.kind.plain(self.options)(items)


@dataclass(frozen=True)
class Shown:
    """A value in a print, shown in the way of ``how`` (see `in_way`): what ``held`` makes of so
    many arrays told from number ``first`` on."""

    how: str
    first: int
    count: int
    held: Value | ListResult | RowsResult | TableResult

    def text(self, told: Sequence[np.ndarray[Any, Any]]) -> str:
        """What is printed of it."""
        value = self.held.items(told[self.first : self.first + self.count])
        return in_way(value, self.how)


@dataclass(frozen=True)
class Site:
    """A print: its text in parts, what is told (shapes and dtypes), whether the first number told
    says that an error came before, and what gets the text (`mlc.tracer.sinks`)."""

    parts: tuple[str | Shown, ...]
    told: tuple[tuple[tuple[int, ...], str], ...]
    has_failure: bool
    sink: Sink


@dataclass(frozen=True, eq=False)
class Printed:
    """The prints of a function; output number ``output`` counts them."""

    output: int
    sites: tuple[Site, ...]


class Mark(str):
    """A text that stands for a traced value, and is as long as that text will be only then."""

    owner: Prints
    shown: tuple[Any, Any, str]  # see `_tensors`, and in which way

    def __format__(self, spec: str) -> str:
        tensors, held, how = self.shown
        text = visible(str.__str__(self))
        return self.owner.marked(text, tensors, held, f"{how}\0{spec}") if spec else self

    def ljust(self, width: Any, fillchar: str = " ") -> str:
        return format(self, f"{fillchar}<{width}")

    def rjust(self, width: Any, fillchar: str = " ") -> str:
        return format(self, f"{fillchar}>{width}")


class Prints:
    """The prints met while a function is traced; ``count`` is the traced number of those done."""

    def __init__(self, count: Any) -> None:
        self.count = count
        self.sites: dict[Site, int] = {}
        self._marks: dict[str, Mark] = {}
        self._texts: dict[Any, Mark] = {}

    def mark(self, text: str, value: Any, how: str) -> str:
        """The text that stands for ``value``, as it is now, shown in the way of ``how``: ``text``,
        and what tells it from all others."""
        return self.marked(text, *_tensors(value), how)

    def marked(self, text: str, tensors: Any, held: Any, how: str) -> str:
        """The same for what `_tensors` gives."""
        key = tuple(map(id, tensors)), how  # which are kept in `_marks`
        if key not in self._texts:
            number, digits = len(self._texts), ""
            while number or not digits:
                digits, number = digits + DIGITS[number % 4], number // 4
            made = Mark(f"{EDGE}{text}{EDGE}{digits}{EDGE}")
            made.owner, made.shown = self, (tensors, held, how)
            self._texts[key] = self._marks[digits] = made
        return self._texts[key]

    def note(self, text: str, sink: Sink) -> None:
        """Have compiled code hand ``text`` to ``sink``."""
        from ..ops.op import CURRENT
        from ..ops.printing import printed

        trace: Any = CURRENT.get()
        told: list[Tensor] = []
        has_failure = trace.failure is not None
        if has_failure:
            told.append(trace.lift(trace.failure))
        parts: list[str | Shown] = []
        last = 0
        for match in _MARK.finditer(text):
            if match[1] in self._marks:
                shown = _shown(*self._marks[match[1]].shown, told, trace)
                parts += [text[last : match.start()], shown]
                last = match.end()
        parts.append(text[last:])
        specs = tuple(map(_spec, told))
        site = Site(tuple(p for p in parts if p != ""), specs, has_failure, sink)
        number = self.sites.setdefault(site, len(self.sites))
        before = trace.lift(self.count)
        self.count[...] = trace.wrap(printed.tensors(trace, (before, *told), {"site": number}))


def _spec(tensor: Tensor) -> tuple[tuple[int, ...], str]:
    return tuple(map(int, tensor.shape)), tensor.dtype.name


def _tensors(value: Any) -> tuple[Any, Any]:
    """The tensors of ``value`` as they are now, and what makes it of them, or whether they are a
    scalar; of what a mask selects itself."""
    from .complex.value import Complex
    from .tracer import Tracer

    if isinstance(value, (Grown, Tabled)):
        told = _Told((value.key_list if isinstance(value, Tabled) else value).tail._trace)
        held: Any = told.held(value)
        if isinstance(value, Tabled):
            held = replace(held, make=Plain(type(value), value.options()))
        return tuple(told.tensors), held
    parts = value._parts if isinstance(value, Complex) else (value,)
    if not all(isinstance(part, Tracer) for part in parts):
        return (value,), None
    return tuple(part._tensor for part in parts), value._is_scalar()


def _shown(tensors: Any, held: Any, how: str, told: list[Tensor], trace: Any) -> Shown:
    """What is printed of a value, see `_tensors`; it is put among what is ``told``."""
    from .complex.value import Complex
    from .masked import solid
    from .open_lengths import number_of

    if held is None:
        value = tensors[0]
        is_complex = isinstance(value, Complex)
        value = Complex(*map(solid, value._parts)) if is_complex else solid(value)
        tensors, held = _tensors(value)
    first = len(told)
    told += tensors
    if isinstance(held, bool):
        shape, weak = tensors[0].shape, tensors[0] in trace.weak
        axes = tuple(axis for axis, n in enumerate(shape) if isinstance(n, Extent))
        told += [trace.lift(number_of(shape[axis], trace)) for axis in axes]
        held = Value(len(tensors), axes, weak, not (shape or weak or held))
    return Shown(how, first, len(told) - first, held)


class _Told(HeldLists):
    """The tensors that a list is held in, each numbered where it is asked for."""

    def __init__(self, trace: Any) -> None:
        self.trace = trace
        self.tensors: list[Tensor] = []

    def current(self, value: Any) -> int:
        """The number of what ``value`` holds now."""
        self.tensors.append(value.__mlc_lift__(self.trace))
        return len(self.tensors) - 1


def _complex(real: np.ndarray[Any, Any], imag: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    made = np.empty(real.shape, np.result_type(real.dtype, np.complex64))
    made.real, made.imag = real, imag
    return made


class Heard:
    """Listens to a call, and prints what it tells: at once, or, if it may have to begin again
    (``waits``), once it has ended."""

    def __init__(self, printed: Printed, waits: bool) -> None:
        self.sites, self.waits = printed.sites, waits
        self.kept: list[tuple[Site, str]] = []
        self.error: BaseException | None = None

    def __call__(self, number: int, addresses: Sequence[int]) -> None:
        if self.error is not None:
            return
        try:
            self._hear(self.sites[number], addresses)
        except BaseException as error:  # which must not go through compiled code
            self.error = error

    def _hear(self, site: Site, addresses: Sequence[int]) -> None:
        told = [_array(*spec, place) for spec, place in zip(site.told, addresses)]
        if site.has_failure and told[0].any():
            return
        text = "".join(p if isinstance(p, str) else p.text(told) for p in site.parts)
        if self.waits:
            self.kept.append((site, text))
        else:
            site.sink.take(text)

    def end(self) -> None:
        """Print what is left, and raise what kept it from being printed."""
        for site, text in self.kept:
            site.sink.take(text)
        self.kept.clear()
        if self.error is not None:
            raise self.error


@contextmanager
def heard(printed: Printed, waits: bool) -> Iterator[None]:
    """Inside, what compiled code says is printed. An error of a call that may begin again takes it
    along: see `mlc.specialization.print_with`."""
    listener = Heard(printed, waits)
    try:
        with listening(listener):
            yield
    except Exception as error:
        if waits:
            error._mlc_heard = listener  # type: ignore[attr-defined]
        else:
            listener.end()
        raise
    listener.end()


def _array(shape: tuple[int, ...], name: str, address: int) -> np.ndarray[Any, Any]:
    """A copy of the array at ``address``."""
    from ..dtypes import as_dtype

    dtype = as_dtype(name).numpy
    made = np.empty(shape, dtype)
    if made.nbytes:
        ctypes.memmove(made.ctypes.data, address, made.nbytes)
    return made
