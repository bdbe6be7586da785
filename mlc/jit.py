"""``mlc.jit``: a Python function that is traced and compiled once for each signature it is called
with.

The fast way of a call is native code (`mlc.runtime.native_call`); it knows the signatures whose
arguments are plain arrays and numbers and whose function reads nothing that could change behind its
back. Every other call goes through `Jitted._call`, which finds the compiled entry for it, or makes
one.
"""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .call_spec import Form, native_call, other_form, statics_of
from .call_trace import native_form, trace_of_call, with_less_traced
from .compile import TARGETS, CallSpec, compile_graph
from .compile_device import DEVICE_TARGETS, with_precision
from .config import config, is_debug_anywhere, watch
from .dynamic import families_for
from .errors import ArgumentError, MlcError
from .forks import free_after_fork
from .lowered import CacheInfo, CacheRow, Lowered
from .ops.op import CURRENT
from .resizing import lists_may_be_full, put_forward, run_again
from .runtime.collector import collector_held_back
from .runtime.native_call import callable_type, first_signature, install, is_installed, prepare
from .specialization import (
    MISS,
    SLOW_CALLS,
    Specialization,
    compile_traced,
    is_named,
    of_function,
    print_with,
    refuse_captured_writes,
    refuse_on_a_card,
    refuse_options,
    refuse_other,
    symbol,
    warn_of_changes,
)
from .tracebacks import explained, trimmed
from .tracer import foreign
from .tracer.alike import are_objects_new
from .tracer.attributes import AttributeCalls, AttributesWanted
from .tracer.captures import Captures
from .tracer.copied_results import copies_computed
from .tracer.deciding import ValuesWanted, check_limits
from .tracer.grown import ListsFullError
from .tracer.open_results import ANY_SIZES
from .tracer.parameters import Parameters
from .tracer.refills import check_apart, refilled
from .tracer.result_order import in_memory_order
from .tracer.signature import Key, call_text, why_new
from .tracer.traced import Traced

_VARIANTS = 8  # compiled versions kept for one signature, when what the function reads changes
Signature = tuple[tuple[Key, ...], tuple[str, ...], bool]


class _Jitted:
    """A function compiled by :func:`mlc.jit`; call it like the function it was made from."""

    _function: Callable[..., Any]
    _target: str
    _parameters: Parameters
    _entries: dict[Signature, tuple[Specialization, ...]]
    __defaults__, __kwdefaults__ = map(of_function, ("__defaults__", "__kwdefaults__"))

    def _set_up(
        self,
        function: Callable[..., Any],
        target: str,
        names: Iterable[str],
        numbers: Iterable[int],
        dynamic: Any = None,
    ) -> None:
        global _debugging
        _debugging = is_debug_anywhere()
        functools.update_wrapper(self, function)  # type: ignore[arg-type]
        self._function = function
        self._target = target
        self._parameters = Parameters(function, names, numbers)
        self._entries = {}
        self._families, self._dynamic = families_for(dynamic, function), dynamic
        self._parameters.packs = target != "cuda" and self._families is None
        self._lock = threading.RLock()
        free_after_fork(self)
        self._head = 0
        self._slow_calls = 0
        self._has_changed = False  # whether the function has got other defaults
        self._level = 0  # of room in lists
        self._for_each_size: set[Signature] = set()  # of calls that no code for any sizes is for
        self._by_value: set[str] = set()  # Python ints that tracing wanted the values of
        self._kept: list[Specialization] = []
        self._last: Specialization | None = None
        self._attributes: AttributeCalls | None = None  # once the function has set some
        self._alike: Any = None  # for objects that differ in what they hold; False if none may
        _all_jitted.add(self)
        call: Callable[..., Any] = functools.partial(type(self)._call, self)
        if target == "cuda":
            from .device_call import device_caller

            call = device_caller(self, call)
        prepare(self, call)

    def __repr__(self) -> str:
        return f"<mlc.jit {self._parameters.function}, target {self._target!r}>"

    def __reduce__(self) -> Any:
        if is_named(self):
            return self.__qualname__  # type: ignore[attr-defined]
        static = sorted(self._parameters.static)
        return _unpickled, (self._function, self._target, static, self._dynamic)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is not None:
            return native_form(self._function)(*args, **kwargs)
        last = self._last
        if last is not None and not _debugging and not last.captures.change():
            result = last.native(*args, **kwargs)
            if result is not MISS:
                return result
        try:
            return self._run(args, kwargs)
        except ValuesWanted as wanted:
            with self._lock, self._parameters.knowing(wanted.names):
                return self._call(*args, **kwargs)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call, once no native code has taken it."""
        self._follow_defaults()
        if self._attributes is not None:
            return self._attributes(*self._parameters.arrange(args, kwargs))
        out = None
        if "out" in kwargs and not self._parameters.has_out:
            out, kwargs = kwargs["out"], {name: kwargs[name] for name in kwargs if name != "out"}
        whole = self._parameters.placed(args, kwargs)
        args, kwargs = short = self._parameters.shortened(*whole)
        signature, arrays = self._signature(*short)
        entry, _ = self._find(signature)
        if entry is None and not _is_same_form(short, whole):
            # Code for any value at the place of a default is as good.
            other = self._signature(*whole)
            entry, _ = self._find(other[0])
            if entry is not None:
                short, (args, kwargs), (signature, arrays) = whole, whole, other
        if entry is None:
            given = kwargs if out is None else {**kwargs, "out": out}
            if out is None and are_objects_new(self, signature):
                self._alike = self._alike or AttributeCalls(self, jit, native_form)
                try:
                    return self._alike(args, given)
                except MlcError:  # with arrays as inputs it cannot be compiled, or not at all
                    self._alike = False
            try:
                entry = self._compile(signature, args, kwargs)
            except AttributesWanted as wanted:
                self._attributes = AttributeCalls(self, jit, native_form, wanted)
                return self._attributes(args, given)
            if self._by_value or self._parameters.loose:
                signature, arrays = self._signature(args, kwargs)
        elif self._head and not _debugging and not is_installed(self):
            self._slow_calls += 1
            install(self, self._head, build=self._slow_calls >= SLOW_CALLS)
        if not _is_same_form(short, whole):
            self._add_form(entry, short, whole)
        if entry.is_final and entry.captures and not entry.captures.is_moved:
            entry.missed()
            self._last = entry
        sources = functools.partial(self._parameters.sources, args, kwargs)
        check_limits(entry.traced.limits, arrays, sources)
        make = foreign.result_maker((*args, *kwargs.values()))
        place = None if out is None else foreign.place_of(out)
        check_apart(entry.traced.refills, self._parameters.function, args, kwargs)
        try:
            result = entry.run(arrays, place, sources)
            if entry.guarded is not None and not entry.guarded.is_admitted:
                put_forward(self, signature, entry)
        except Exception as problem:
            if entry.traced.sizes is None and not isinstance(problem, ListsFullError):
                print_with(problem)
                raise
            try:
                result = run_again(self, problem, entry, signature, args, kwargs, place)
            except Exception as last:
                print_with(last)
                raise
        if out is not None:
            return out
        result = result if make is None else foreign.converted(result, make)
        return refilled(entry.traced.refills, result, args, kwargs)

    def _signature(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Signature, list[Any]]:
        """The signature of a call, and the arrays in it."""
        keys, arrays = self._parameters.keys(args, kwargs)
        return (keys, tuple(kwargs), _debugging and config.debug), arrays

    def _follow_defaults(self) -> None:
        """Forget what was compiled for other defaults than the function has now."""
        if self._parameters.defaults.have_changed():
            self.clear_cache()
            self._has_changed = True

    def _find(
        self, signature: Signature, sizes: tuple[int, ...] = ()
    ) -> tuple[Specialization | None, str]:
        """The entry for a call whose data chose ``sizes``; if there is none, what changed since
        the last one."""
        first = ""
        for entry in (known.following(signature[0]) for known in self._entries.get(signature, ())):
            change = entry.captures.change()
            if not change and sizes and not entry.traced.any_sizes:
                found = entry.traced.sizes
                if found is None or found.expected[: len(sizes)] != sizes:
                    many = "any number of" if sizes == ANY_SIZES else sizes[-1]
                    change = f"the data choose {many} elements"
            if not change:
                return entry, ""
            first = first or change
        return None, first

    def _compile(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any],
        sizes: tuple[int, ...] = (),
    ) -> Specialization:  # fmt: skip
        with self._lock, collector_held_back():
            entry, change = self._find(signature, sizes)  # another thread may have made it
            if entry is not None:
                return entry
            keys, names, debug = signature
            began = time.perf_counter()
            statics = statics_of(keys, (*args, *kwargs.values()))
            schedule = getattr(self._function, "__mlc_schedule__", None)
            try:
                note = ""
                if self._families is not None and schedule is None:
                    entry, note = self._families.entry(
                        self, signature, args, kwargs, statics, change
                    )
                    if entry is not None:
                        return self._entered(signature, entry, change)
                traced, captures = self._trace(
                    signature, args, kwargs, statics, sizes if schedule is None else None
                )
            except Exception as error:
                if sizes == ANY_SIZES:
                    raise
                found = with_less_traced(self, error, signature, args, kwargs)
                if found is not None:
                    return found
                problem = explained(error, self._function)
                raise problem.with_traceback(trimmed(problem)) from problem.__cause__
            refuse_captured_writes(self._parameters.function, captures)
            middle = time.perf_counter()
            traced, call, compiled = self._code(traced, signature, args, kwargs)
            row = CacheRow(
                signature=call_text(self._names(names, len(args)), keys),
                target=self._target + (", debug" if debug else ""),
                when=time.time(),
                trace_seconds=middle - began,
                compile_seconds=time.perf_counter() - middle,
                from_cache=compiled is not None and compiled.from_cache,
                reason=self._with_values(self._reason(signature, change, len(args))) + note,
            )
            entry = Specialization(traced, compiled, captures, row, call)
            self._entered(signature, entry, change)
            table = entry.alone() if len(self._entries[signature]) < _VARIANTS else None
            if table is not None:
                self._kept.append(entry)
                self._put_first(table)
            return entry

    def _code(
        self, traced: Traced, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Traced, CallSpec | None, Any]:
        """The trace as it is compiled, how native code calls that, and the compiled graph: None
        where nothing is computed."""
        keys, names, debug = signature
        schedule = getattr(self._function, "__mlc_schedule__", None)
        refuse_on_a_card(self, traced)
        is_direct = not (debug or traced.draws or traced.refills or traced.printed)
        is_native, call = self._target == "cpu" and is_direct, None
        if is_native:
            traced = in_memory_order(copies_computed(traced)) if schedule is None else traced
            call = native_call(traced, keys, names, (*args, *kwargs.values()), self._parameters)
            if lists_may_be_full(traced) and not (call and call.numbers):
                call = None
        elif schedule is None and self._target not in DEVICE_TARGETS:
            traced = in_memory_order(traced)
        if not traced.outputs:
            return traced, call, None
        options: dict[str, Any] = {"name": symbol(self._parameters.function), "call": call,
                                   "target": self._target, "debug": debug}  # fmt: skip
        if schedule is not None:
            return traced, call, compile_traced(schedule, traced, options)
        tune = getattr(self._function, "__mlc_autotune__", None)
        if tune is not None and (is_native or is_direct and self._target in DEVICE_TARGETS):
            tune(traced.inputs, traced.outputs, self._parameters.keys(args, kwargs)[1],
                 options["name"], self._function, args, kwargs, self._target)  # fmt: skip
        return traced, call, compile_graph(traced.inputs, traced.outputs, **options)

    def _put_first(self, table: Any) -> None:
        """Let native calls try the signature ``table`` before all others."""
        table.follow(first_signature(self) or self._head)
        self._head = table.address
        if not _debugging:
            install(self, self._head)

    def _add_form(self, entry: Specialization, short: Form, whole: Form) -> None:
        """Let native calls that pass the defaults that ``whole`` does find ``entry``, too, which
        was compiled for ``short``, the same without them."""
        form = len(whole[0]), tuple(whole[1])
        executable = entry.compiled.executable if entry.compiled is not None else None
        if executable is None or not entry.is_final or form in entry.forms or _debugging:
            return
        with self._lock:
            if form in entry.forms or entry.call is None:
                return
            made = other_form(executable, entry.call, self._parameters, short, whole)
            entry.forms[form] = made
            if entry.captures:
                made.follow(first_signature(entry.native) or entry.address)
                install(entry.native, made.address)
            elif entry in self._kept:
                self._put_first(made)

    def _trace(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any],
        statics: Sequence[Any], sizes: tuple[int, ...] | None = None,
    ) -> tuple[Traced, Captures]:  # fmt: skip
        """The trace for a signature, and what it read besides its arguments; ``sizes`` that data
        decide are found on the way."""
        return trace_of_call(self, signature, args, kwargs, statics, sizes)

    def _entered(self, signature: Signature, entry: Specialization, change: str) -> Specialization:
        """``entry``, which calls will find from now on."""
        known = self._entries.get(signature, ())
        if len(known) == _VARIANTS:
            warn_of_changes(self._parameters.function, _VARIANTS, change)
        self._entries[signature] = (entry, *known[: _VARIANTS - 1])
        return entry

    def _names(self, names: tuple[str, ...], positional: int) -> list[str]:
        return [*(self._parameters.name(i) for i in range(positional)), *names]

    def _reason(self, signature: Signature, change: str, positional: int) -> str:
        """Why no entry fitted, told by the entry that came nearest."""
        if self._has_changed and not self._entries:
            return f"the defaults of {self._parameters.function} changed"
        labels = self._names(signature[1], positional)
        return change or why_new(self._entries, signature[0], labels, *signature[1:])

    def _with_values(self, reason: str) -> str:
        values = ", ".join(sorted(self._by_value))
        return f"{reason}; compiled for each value of {values}" if values else reason

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Every level of the code for these arguments: ``.graph .program .schedule .llvm .asm``."""
        self._follow_defaults()
        args, kwargs = self._parameters.arrange(args, kwargs)
        if self._attributes is not None:
            return self._attributes.lower(args, kwargs)
        keys, _ = self._parameters.keys(args, kwargs)
        signature = keys, tuple(kwargs), config.debug
        entry, _ = self._find(signature)
        if entry is None:
            try:
                entry = self._compile(signature, args, kwargs)
            except AttributesWanted as wanted:
                self._attributes = AttributeCalls(self, jit, native_form, wanted)
                return self._attributes.lower(args, kwargs)
        return Lowered(self._parameters.function, entry.row, entry.compiled)

    def tune(self, *args: Any, **kwargs: Any) -> Any:
        """For a function under ``mlc.autotune``: tunes and compiles it for these arguments now."""
        self.lower(*args, **kwargs)
        return self._tuned().results

    @property
    def best_schedule(self) -> Any:
        """For a function under ``mlc.autotune``: the schedules found; they print as source."""
        return self._tuned().best_schedule

    def _tuned(self) -> Any:
        found = getattr(self._function, "__mlc_autotune__", None)
        if found is None:
            raise ArgumentError(
                f"{self._parameters.function}: write @mlc.autotune below @mlc.jit; without, what "
                "mlc.tune returns has best_schedule, and .lower(...).schedule the steps in use"
            )
        return found

    def cache_info(self) -> CacheInfo:
        """What was compiled: signature, when, how long it took, and why it was needed."""
        with self._lock:
            rows = [entry.row for entries in self._entries.values() for entry in entries]
        rows += [row for calls in (self._attributes, self._alike) if calls for row in calls.rows()]
        once = {id(row): row for row in rows}.values()  # entries for many sizes share a row
        return CacheInfo(self._parameters.function, tuple(sorted(once, key=lambda row: row.when)))

    def clear_cache(self) -> None:
        """Forget every compiled signature of this function (the disk cache keeps its own)."""
        with self._lock:
            install(self, 0)
            self._head = 0
            self._last = self._attributes = self._alike = None
            if self._families is not None:
                self._families.clear()
            # Another thread may be inside compiled code, so `_kept` goes on holding it.
            self._entries = {}


def _is_same_form(a: Form, b: Form) -> bool:
    """Whether one call was made of the other by leaving nothing out."""
    return a[0] is b[0] and a[1] is b[1]


Jitted: Any = callable_type("mlc.jit.Jitted", vars(_Jitted))

_all_jitted: weakref.WeakSet[Any] = weakref.WeakSet()
_debugging = False  # whether debug mode is on in some thread: native calls know nothing of it


def _follow_debug_mode() -> None:
    """Take native calls away while debug mode is on, so that every call asks which code it
    wants.
    """
    global _debugging
    _debugging = is_debug_anywhere()
    for jitted in list(_all_jitted):
        jitted._head = first_signature(jitted) or jitted._head
        install(jitted, 0 if _debugging else jitted._head)


watch(_follow_debug_mode)


def jit(
    function: Callable[..., Any] | None = None,
    *,
    target: str = "cpu",
    static_argnames: str | Iterable[str] = (),
    static_argnums: int | Iterable[int] = (),
    dynamic: Any = None,
    precision: str | None = None,
    **unknown: object,
) -> Any:
    """Compile ``function``, written in NumPy, once for each signature it is called with.

    Use as ``@mlc.jit`` or ``@mlc.jit(...)``. Arrays and Python numbers are traced; a number
    promotes as in NumPy 2, weakly. Arguments named in ``static_argnames`` (or by place in
    ``static_argnums``) are not: each of their values is compiled on its own, so they may decide
    shapes, axes and branches. Lists, tuples, dicts, None and classes registered with optree may
    hold arrays, in arguments and results. Anything that is an array by ``__array__``,
    ``__array_interface__``, ``__dlpack__`` or the buffer protocol is read where it lies; results
    are of the kind of the first array passed, as far as its library takes arrays back.

    What depends on no argument is computed once; random numbers are drawn at each call. Arrays and
    numbers that the function reads from elsewhere are constants until they change.

    ``dynamic={"x": {0: "n"}}`` names extents that may change without a new compilation;
    ``dynamic=True`` or ``"leading"`` the first of the first array, and of those like it. See
    :func:`mlc.dim`, which says limits, and may annotate a parameter too.

    ``f(a, b, out=c)`` writes the result to ``c``. ``target`` is ``"cpu"``, ``"cuda"``, or
    ``"interpret"`` or ``"numpy"`` for the reference backends; ``precision="tf32"`` lets tensor
    cores multiply float32. See also ``f.lower(...)``, ``f.cache_info()`` and ``f.clear_cache()``.
    """
    if unknown:
        refuse_options(unknown)
    if target not in TARGETS:
        raise ArgumentError(f"unknown target {target!r}; expected one of {', '.join(TARGETS)}")
    target = with_precision(target, precision)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    def compile_later(wrapped: Callable[..., Any]) -> Any:
        if isinstance(wrapped, (staticmethod, classmethod)):
            return type(wrapped)(compile_later(wrapped.__func__))
        refuse_other(wrapped)
        made = Jitted()
        made._set_up(wrapped, target, names, numbers, dynamic)
        return made

    return compile_later if function is None else compile_later(function)


def _unpickled(
    function: Callable[..., Any], target: str, static: list[str], dynamic: Any = None
) -> Any:
    return jit(function, target=target, static_argnames=static, dynamic=dynamic)
