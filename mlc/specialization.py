"""A function compiled for one signature: how it is run from Python, results and ``out=``
included.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .compile import CallSpec
from .errors import ArgumentError, DTypeError, OutsideArrayError, ShapeError, UnsupportedError, warn
from .lowered import CacheRow
from .records import replace
from .runtime.entry import ArraySpec, ScalarSpec, StaticSpec, leaves
from .runtime.native_call import (
    callable_type,
    first_signature,
    install,
    is_installed,
    prepare,
)
from .te.key import topological
from .te.tensor import Call
from .tracer import foreign
from .tracer.captures import Captures
from .tracer.storage import ReadOnlyError
from .tracer.streams import set_as
from .tracer.trace import as_array, shown
from .tracer.traced import Traced

if TYPE_CHECKING:
    from .lowered import AnyCompiled
    from .runtime.signature import Signature

Array = np.ndarray[Any, Any]
Sources = Callable[[], list[tuple[str, Any]]] | None
_WORTH_IT = 1 << 15  # bytes from which writing in place beats the quicker call
MISS = object()  # what a native call returns that did not fit
SLOW_CALLS = 8  # calls through Python after which the native entry is built, if it is not there yet


Direct: Any = callable_type("mlc.specialization.Direct", {})


def direct(compiled: AnyCompiled) -> Any:
    """A callable that runs the native code of ``compiled``, or returns MISS if arguments do not
    fit.
    """
    if compiled.executable is None:
        return None
    made = Direct()
    prepare(made, lambda *args, **kwargs: MISS)
    install(made, compiled.executable.signature.address)
    return made


class Specialization:
    """One compiled signature.

    ``native`` runs the code without Python in between: it takes the arguments as the user passes
    them, the arrays in them (``by_arrays``), or both, and returns the results or (``is_final``
    False) the list of the graph's outputs.
    """

    __slots__ = (
        "by_arrays", "call", "captures", "compiled", "forms", "guarded", "is_final", "misses",
        "native", "pairs", "replaced", "row", "scalars", "traced",
    )  # fmt: skip

    def __init__(
        self,
        traced: Traced,
        compiled: AnyCompiled | None,
        captures: Captures,
        row: CacheRow,
        call: CallSpec | None,
    ) -> None:
        self.traced = traced
        self.compiled = compiled
        self.captures = captures
        self.row = row
        self.call = call
        self.forms: dict[Any, Signature] = {}  # for calls that pass defaults besides
        self.guarded: Signature | None = None  # for calls that look at captures themselves
        self.misses = 0
        self.replaced: frozenset[int] | None = None  # found out at the first call that writes
        self.native: Any = None if call is None or compiled is None else direct(compiled)
        self.is_final = self.by_arrays = False
        self.pairs: tuple[int, ...] = ()  # the arrays that native code takes as complex ones
        self.scalars: tuple[int, ...] = ()  # and those that it takes as NumPy scalars
        if call is not None and self.native is not None:
            params = call.params or ()
            self.is_final = call.params is not None
            passed = [p for p in leaves(params) if not isinstance(p, StaticSpec) and not (
                isinstance(p, ScalarSpec) and p.follows)]  # fmt: skip
            self.pairs = tuple(n for n, p in enumerate(passed) if p.dtype.startswith("complex"))
            self.scalars = tuple(
                n for n, p in enumerate(passed) if isinstance(p, ArraySpec) and p.only == "scalar"
            )
            self.by_arrays = not call.keywords and all(isinstance(p, ArraySpec) for p in params)

    def following(self, keys: tuple[Any, ...]) -> Specialization:
        """This one, for a call with these keys: their functions may be other objects than those
        that were traced, of equal code that reads the same (`mlc.tracer.content`)."""
        captures, moved = self.captures.following(keys)
        if not moved:
            return self
        made = copy.copy(self)
        made.captures = captures
        results = tuple(
            replace(r, value=moved.get(id(r.value), r.value)) if r.kind == "value" else r
            for r in self.traced.results
        )
        made.traced = replace(self.traced, results=results)
        return made

    def run(self, arrays: list[Array], out: Any, sources: Sources = None) -> Any:
        """The results for arrays of this signature. ``sources`` tells what the caller passed for
        each of them, with its name: needed where the function writes to arguments."""
        if self.traced.printed is None:
            return self._run_drawing(arrays, out, sources)
        from .tracer.printing import heard

        waits = self.traced.sizes is not None or self.traced.failure is not None
        with heard(self.traced.printed, waits):
            return self._run_drawing(arrays, out, sources)

    def _run_drawing(self, arrays: list[Array], out: Any, sources: Sources) -> Any:
        draws = self.traced.draws
        if draws is None:
            return self._run(arrays, out, sources)
        again = self.traced.sizes is not None or self.traced.failure is not None
        kept = draws.kept() if again else ()
        try:
            return self._run([*arrays, *draws.arrays()], out, sources)
        except Exception:  # the call may begin again, with code for other sizes
            for source, twin in kept:
                set_as(source, twin)
            raise

    def _run(self, arrays: list[Array], out: Any, sources: Sources) -> Any:
        if self.traced.writes:
            assert sources is not None
            return self._run_writing(arrays, out, sources())
        if self.pairs:
            from .tracer.complex.value import from_pair

            arrays = [np.asarray(from_pair(a)) if n in self.pairs else a
                      for n, a in enumerate(arrays)]  # fmt: skip
        if self.by_arrays and (out is None or self.is_final):
            given = arrays
            if self.scalars:
                given = [a[()] if n in self.scalars else a for n, a in enumerate(arrays)]
            result = self.native(*given) if out is None else self.native(*given, out=out)
            if result is not MISS:
                return result if self.is_final else self.traced.assemble(result, arrays)
            self.missed()
        if out is not None:
            return self._run_into(arrays, out)
        computed = [] if self.compiled is None else self.compiled.run(arrays)
        return self.traced.assemble(computed, arrays)

    def _run_writing(self, arrays: list[Array], out: Any, sources: list[tuple[str, Any]]) -> Any:
        traced = self.traced
        places = written_arrays(traced, arrays, sources, self.captures.arrays.values())
        if self.replaced is None:
            self.replaced = replaced_outputs(traced, self.row.target, self.is_in_place)
        direct = {
            number: place
            for place, (number, _) in zip(places, traced.writes, strict=True)
            if number in self.replaced and place.nbytes >= _WORTH_IT and is_free(place, ())
        }
        computed: Any = MISS
        if direct and self.compiled is not None:
            targets = [
                direct[n] if n in direct else np.empty(t.shape, t.dtype.numpy)
                for n, t in enumerate(traced.outputs)
            ]
            if self.compiled.executable is None:
                computed = self.compiled.run(arrays, targets)
            else:
                self.compiled.executable.run_known(arrays, targets)
                computed = targets
        elif self.by_arrays:
            computed = self.native(*arrays)
            if computed is MISS:
                self.missed()
        if computed is MISS:
            computed = [] if self.compiled is None else self.compiled.run(arrays)
        result = self._fill(arrays, computed, out) if out is not None else None
        if out is None:
            result = traced.assemble(computed, arrays)
        for place, (number, _) in zip(places, traced.writes, strict=True):
            if number not in direct:
                place[...] = computed[number]
        return result

    def alone(self) -> Signature | None:
        """The table by which native code calls this without Python before it; None if it cannot."""
        guards = self.captures.guards() if self.captures else ()
        executable = None if self.compiled is None else self.compiled.executable
        if guards is None or executable is None or self.call is None or not self.is_final:
            return None
        if not guards and self.traced.sizes is None:
            return executable.signature
        held = (*self.call.held, *guards)
        self.guarded = executable.called(executable.spec, self.call.statics, held)
        return self.guarded

    def missed(self) -> None:
        """Count calls that could have been native; build the native entry when it pays."""
        if self.native is None or is_installed(self.native):
            return
        self.misses += 1
        first = first_signature(self.native) or self.address
        install(self.native, first, build=self.misses >= SLOW_CALLS)

    @property
    def is_in_place(self) -> bool:
        """Whether native code may write its output over an array that it reads."""
        executable = None if self.compiled is None else self.compiled.executable
        return executable is not None and executable.spec.inplace_ok

    @property
    def address(self) -> int:
        """Where the native entry finds this signature; 0 if it must be run through Python."""
        found = self.compiled is not None and self.compiled.executable
        return found.signature.address if found else 0

    def _run_into(self, arrays: list[Array], out: Any) -> Any:
        traced = self.traced
        places = list(out) if isinstance(out, (tuple, list)) else [out]
        if len(places) != len(traced.results):
            raise ArgumentError(
                f"out= wants {len(traced.results)} arrays, one for each result, got {len(places)}"
            )
        if traced.is_direct and self.compiled is not None:
            for i, (place, tensor) in enumerate(zip(places, traced.outputs)):
                shape = traced.results[i].shape_of(tensor)
                check_out(place, shape, tensor.dtype.numpy, _out_name(i, len(places)))
            turned = [r.as_computed(place) for r, place in zip(traced.results, places)]
            read = [*arrays, *(watched.copy for watched in self.captures.arrays.values())]
            if all(is_free(place, [*read, *turned[:i]]) for i, place in enumerate(turned)):
                self.compiled.run(arrays, turned)
                return out
        computed = [] if self.compiled is None else self.compiled.run(arrays)
        return self._fill(arrays, computed, out)

    def _fill(self, arrays: list[Array], computed: Sequence[Any], out: Any) -> Any:
        places = list(out) if isinstance(out, (tuple, list)) else [out]
        leaves = self.traced.leaves(computed, arrays)
        for i, (place, leaf) in enumerate(zip(places, leaves)):
            value = np.asarray(leaf)
            check_out(place, value.shape, value.dtype, _out_name(i, len(places)))
        for place, leaf in zip(places, leaves):
            place[...] = leaf
        return out


def replaced_outputs(traced: Traced, target: str, is_in_place: bool) -> frozenset[int]:
    """The outputs that can be computed right in the caller's array: no element of the old array
    is read (or, where the kernel ``is_in_place``, none after it was written), the output is no
    result besides, and nothing on the way may end the call early."""
    needed = topological(traced.outputs)
    is_certain = target == "cpu" and traced.sizes is None
    if not is_certain or any(isinstance(tensor.op, Call) for tensor in needed):
        return frozenset()
    read = set(needed)
    numbers = [number for number, _ in traced.writes]
    returned = {r.value for r in traced.results if r.kind in ("output", "again")}
    copied = {r.value for r in traced.results if r.kind == "copy"}
    return frozenset(
        number
        for number, place in traced.writes
        if numbers.count(number) == 1
        and number not in returned
        and place not in copied
        and (is_in_place or traced.inputs[place] not in read)
    )


def of_function(attribute: str) -> Any:
    """An attribute of the function that was jitted, as one of what jits it, to read and to set."""
    return property(
        lambda jitted: getattr(jitted._function, attribute),
        lambda jitted, value: setattr(jitted._function, attribute, value),
    )


def written_arrays(
    traced: Traced, arrays: Sequence[Array], sources: Sequence[tuple[str, Any]], captured: Any
) -> list[Array]:
    """The caller's arrays that the function writes to, in the order of ``traced.writes``.

    Raises before anything is written: ValueError for one that is read-only, ArgumentError for
    what is no memory of the caller's, and for one that shares memory with another argument or
    with an array that the function reads from elsewhere.
    """
    found = []
    for _, number in traced.writes:
        name, value = sources[number]
        place = value if type(value) is np.ndarray else _memory_of(name, value)
        place = foreign.place_of(place)
        if not place.flags.writeable:
            raise ReadOnlyError(f"assignment destination is read-only: argument {name}")
        for other, (label, _) in enumerate(sources):
            if other != number and np.shares_memory(place, arrays[other]):
                raise ArgumentError(
                    f"arguments {name} and {label} share memory, and {name} is written to; what "
                    f"{label} then holds is not defined here: pass a copy of one of them"
                )
        for watched in captured:
            if np.shares_memory(place, watched.array):
                raise ArgumentError(
                    f"argument {name} is written to and shares memory with {watched.name}, which "
                    f"the function reads from outside its arguments; pass a copy"
                )
        found.append(place)
    return found


_ELSEWHERE = {  # options of other compilers' decorators, and what stands for them here
    "nopython": "what cannot be compiled is always refused; leave it out",
    "parallel": "threads are used where they pay; mlc.set_num_threads says how many",
    "fastmath": "there is no fast-math here; leave it out",
    "cache": "kernels are kept on disk anyhow, but with mlc.config.cache = False; leave it out",
    "nogil": "kernels of more than some microseconds run without the GIL; leave it out",
    "donate_argnums": "an argument that the function writes to is changed in place",
    "device": 'say target="cuda", or pass arrays of a device',
    "backend": 'say target="cpu" or target="cuda"',
    "mode": "@mlc.autotune searches for faster schedules",
    "fullgraph": "what cannot be compiled is always refused; leave it out",
}


def refuse_options(unknown: dict[str, object]) -> NoReturn:
    """Raises ArgumentError for options that `mlc.jit` does not have."""
    from difflib import get_close_matches

    name = next(iter(unknown))
    options = ("target", "static_argnames", "static_argnums", "dynamic", "precision")
    near = get_close_matches(name, options, n=1)
    if name in _ELSEWHERE:
        hint = _ELSEWHERE[name]
    else:
        hint = f"did you mean {near[0]}=?" if near else f"it has {', '.join(options)}"
    raise ArgumentError(f"mlc.jit has no option {name}=: {hint}")


def refuse_other(wrapped: Any) -> None:
    """Raises ArgumentError where `mlc.jit` is given what it cannot compile."""
    if isinstance(wrapped, type):
        raise ArgumentError(
            f"mlc.jit compiles a function, got the class {wrapped.__name__}; put it over methods "
            f"of the class, or over a function that makes one"
        )
    code = getattr(wrapped, "__code__", None)
    if code is not None and code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        kind = "coroutine" if code.co_flags & inspect.CO_COROUTINE else "asynchronous generator"
        raise ArgumentError(
            f"mlc.jit compiles a function, got the {kind} {wrapped.__name__}; compile what it "
            f"computes as a function of its own, and await outside of that"
        )
    if not callable(wrapped):
        kind = type(wrapped).__name__
        hint = f"; write @{kind} above @mlc.jit" if hasattr(wrapped, "__get__") else ""
        raise ArgumentError(f"mlc.jit compiles a function, got {kind}{hint}")


def refuse_arguments(
    function: str, listed: str, args: Sequence[Any], kwargs: dict[str, Any]
) -> None:
    """Raises ArgumentError where what `mlc.build` made is called by keyword, or while tracing."""
    if kwargs:
        raise ArgumentError(
            f"{function} takes its arrays by place, {function}({listed}), and got "
            f"{', '.join(kwargs)}= by keyword"
        )
    for place, value in enumerate(args):
        if hasattr(type(value), "__mlc_lift__"):
            raise ArgumentError(
                f"argument {place} of {function} is {value!r}: what mlc.build makes runs at once, "
                f"and cannot be traced; in a jitted function call the program, te.call(program, "
                f"...), or an operator under @mlc.op"
            )


def refuse_captured_writes(function: str, captures: Captures) -> None:
    """Raise if tracing ``function`` has changed an array that it reads from elsewhere: later calls
    would not. The array gets its elements back."""
    captures.settle()
    for watched in captures.arrays.values():
        if watched.is_captured and not watched.is_same():
            watched.array[...] = watched.copy
            raise OutsideArrayError(
                f"{function} writes to {watched.name}, an array from outside its arguments; such "
                f"writes would be made once, while tracing: pass the array as an argument"
            )


def warn_of_changes(function: str, variants: int, change: str) -> None:
    """Warns of a function that is compiled again and again."""
    warn(
        f"{function} was compiled {variants + 1} times for such arguments, "
        f"by what it reads besides their types ({change}); pass that, or size=, as an argument",
        RuntimeWarning,
    )


def refuse_on_a_card(jitted: Any, traced: Traced) -> None:
    """Raise if a function for a card draws random numbers, or changes lists and dicts."""
    if traced.refills and jitted._target == "cuda":
        raise UnsupportedError(
            f"{jitted._parameters.function} changes what lists or dicts among its arguments hold, "
            f"which functions for a card cannot; return what changed"
        )
    if traced.draws is not None and jitted._target == "cuda":
        name = jitted._parameters.function
        raise UnsupportedError(f"{name} draws random numbers, which code for a card cannot take "
                               f"from NumPy; draw outside, or use mlc.random")  # fmt: skip


def _memory_of(name: str, value: Any) -> Array:
    """The memory behind an array-like, so that writes to it are seen by the caller."""
    first = None if isinstance(value, np.generic) else as_array(value)
    again = None if first is None else as_array(value)
    if first is None or again is None or not np.shares_memory(first, again) and first.size:
        raise ArgumentError(
            f"argument {name} is written to, and {type(value).__name__} {shown(value)} is no array "
            f"whose memory can be written; pass a NumPy array"
        )
    return first


def _out_name(i: int, count: int) -> str:
    return "out" if count == 1 else f"out[{i}]"


def is_free(place: Array, others: Sequence[Array]) -> bool:
    """Whether results can be written to ``place`` directly, while ``others`` are in use."""
    whole = place.flags.c_contiguous and place.flags.aligned
    return whole and not any(np.may_share_memory(place, other) for other in others)


def check_out(place: Any, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless ``place`` is an array that results of this shape and dtype can be written to."""
    if not isinstance(place, np.ndarray):
        raise ArgumentError(f"{name} must be a NumPy array, got {type(place).__name__}")
    if place.shape != shape:
        raise ShapeError(f"{name} has shape {place.shape}, but the result has shape {shape}")
    if place.dtype != dtype:
        raise DTypeError(f"{name} has dtype {place.dtype}, but the result has dtype {dtype}")
    if not place.flags.writeable:
        raise ArgumentError(f"{name} is read-only; results cannot be written to it")


def is_named(jitted: Any) -> bool:
    """Whether a pickle finds ``jitted`` again by its name: what cloudpickle takes from
    ``__main__`` must travel whole, since other processes have another one."""
    found: Any = sys.modules.get(jitted.__module__)
    if found is None:
        return False
    if jitted.__module__ == "__main__":
        frame = sys._getframe(1)
        while frame := frame.f_back:  # type: ignore[assignment]
            if frame.f_globals.get("__name__", "").startswith("cloudpickle"):
                return False
    for name in jitted.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is jitted


def symbol(name: str) -> str:
    """The name of a function as one in machine code."""
    kept = "".join(c if c.isalnum() and c.isascii() else "_" for c in name).strip("_")
    return kept or "lambda"


def compile_traced(schedule: Any, traced: Traced, options: dict[str, Any]) -> Any:
    """The graph as one program, with the user's schedule in place of the default one."""
    from .compile_program import compile_scheduled

    return compile_scheduled(schedule, traced.inputs, traced.outputs, **options)


def print_with(error: BaseException) -> None:
    """Print what a call said before it ended with ``error``."""
    listener = error.__dict__.pop("_mlc_heard", None)
    if listener is not None:
        listener.end()
