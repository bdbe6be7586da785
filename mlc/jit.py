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
import types
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .compile import TARGETS, CallSpec, Compiled, compile_graph
from .config import config
from .errors import ArgumentError, DTypeError, MlcError, ShapeError
from .lowered import CacheInfo, CacheRow, Lowered
from .ops.op import CURRENT, Op, frozen_key, set_eager
from .runtime.native_call import callable_type, install, is_installed, prepare
from .tracer.captures import Captures
from .tracer.function import Parameters, Traced, trace_function
from .tracer.signature import Key, differences, key_text

Array = np.ndarray[Any, Any]
_PACKAGE = str(Path(__file__).parent)
_SLOW_CALLS = (
    8  # after so many calls through Python, the native entry is built if it is not there yet
)
_VARIANTS = 8  # compiled versions kept for one signature, when what the function reads changes
_EAGER_LIMIT = 1024  # operators called on plain arrays that are kept compiled
Signature = tuple[tuple[Key, ...], tuple[str, ...], bool]


class Entry:
    """One compiled signature."""

    __slots__ = ("captures", "compiled", "row", "traced")

    def __init__(
        self, traced: Traced, compiled: Compiled | None, captures: Captures, row: CacheRow
    ) -> None:
        self.traced = traced
        self.compiled = compiled
        self.captures = captures
        self.row = row

    def run(self, arrays: list[Array], out: Any) -> Any:
        """The results for arrays of this signature."""
        if out is not None:
            return self._run_into(arrays, out)
        computed = [] if self.compiled is None else self.compiled.run(arrays)
        return self.traced.assemble(computed, arrays)

    def _run_into(self, arrays: list[Array], out: Any) -> Any:
        traced = self.traced
        places = list(out) if isinstance(out, (tuple, list)) else [out]
        if len(places) != len(traced.results):
            raise ArgumentError(
                f"out= wants {len(traced.results)} arrays, one for each result, got {len(places)}"
            )
        if traced.is_direct and self.compiled is not None:
            for i, (place, tensor) in enumerate(zip(places, traced.outputs)):
                check_out(place, tensor.shape, tensor.dtype.numpy, _out_name(i, len(places)))
            read = [*arrays, *(copy for _, _, copy in self.captures.arrays.values())]
            if all(is_free(place, [*read, *places[:i]]) for i, place in enumerate(places)):
                self.compiled.run(arrays, places)
                return out
        computed = [] if self.compiled is None else self.compiled.run(arrays)
        leaves = traced.leaves(computed, arrays)
        for i, (place, leaf) in enumerate(zip(places, leaves)):
            value = np.asarray(leaf)
            check_out(place, value.shape, value.dtype, _out_name(i, len(places)))
        for place, leaf in zip(places, leaves):
            place[...] = leaf
        return out


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


class _Jitted:
    """A function compiled by :func:`mlc.jit`; call it like the function it was made from."""

    _function: Callable[..., Any]
    _target: str
    _parameters: Parameters
    _entries: dict[Signature, tuple[Entry, ...]]

    def _set_up(
        self,
        function: Callable[..., Any],
        target: str,
        names: Iterable[str],
        numbers: Iterable[int],
    ) -> None:
        functools.update_wrapper(self, function)  # type: ignore[arg-type]
        self._function = function
        self._target = target
        self._parameters = Parameters(function, names, numbers)
        self._entries = {}
        self._lock = threading.RLock()
        self._head = 0
        self._slow_calls = 0
        self._kept: list[Compiled] = []
        prepare(self, functools.partial(type(self)._call, self))

    def __repr__(self) -> str:
        return f"<mlc.jit {self._parameters.function}, target {self._target!r}>"

    def __reduce__(self) -> Any:
        static = sorted(self._parameters.static)
        return _unpickled, (self._function, self._target, static)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is not None:
            return self._function(*args, **kwargs)
        out = None
        if "out" in kwargs and not self._parameters.has_out:
            out = kwargs.pop("out")
        if kwargs:
            args, kwargs = self._parameters.arrange(args, kwargs)
        keys, arrays = self._parameters.keys(args, kwargs)
        signature = keys, tuple(kwargs), config.debug
        entry, _ = self._find(signature)
        if entry is None:
            entry = self._compile(signature, args, kwargs)
        elif self._head:
            self._hurry()
        return entry.run(arrays, out)

    def _find(self, signature: Signature) -> tuple[Entry | None, str]:
        """The entry for a call; if there is none, what changed since the last one."""
        first = ""
        for entry in self._entries.get(signature, ()):
            change = entry.captures.change()
            if not change:
                return entry, ""
            first = first or change
        return None, first

    def _compile(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Entry:
        with self._lock:
            entry, change = self._find(signature)  # another thread may have made it
            if entry is not None:
                return entry
            keys, names, debug = signature
            began = time.perf_counter()
            statics = [
                value for value, key in zip((*args, *kwargs.values()), keys) if key[0] == "static"
            ]
            captures = Captures(self._function, *statics)
            problem = None
            try:
                traced = trace_function(
                    self._function, self._parameters, args, kwargs, keys, captures
                )
            except Exception as error:
                problem = error
            if problem is not None:
                raise problem.with_traceback(_trimmed(problem))
            captures.settle()
            middle = time.perf_counter()
            call = self._native_call(traced, keys, names, statics, captures, debug)
            compiled = None
            if traced.outputs:
                compiled = compile_graph(
                    traced.inputs,
                    traced.outputs,
                    name=_symbol(self._parameters.function),
                    target=self._target,
                    debug=debug,
                    call=call,
                )
            end = time.perf_counter()
            row = CacheRow(
                signature=self._signature_text(keys, names, len(args)),
                target=self._target + (", debug" if debug else ""),
                when=time.time(),
                trace_seconds=middle - began,
                compile_seconds=end - middle,
                from_cache=compiled is not None and compiled.from_cache,
                reason=self._reason(signature, change, len(args)),
            )
            entry = Entry(traced, compiled, captures, row)
            known = self._entries.get(signature, ())
            if len(known) == _VARIANTS:
                self._warn_of_changes(change)
            self._entries[signature] = (entry, *known[: _VARIANTS - 1])
            if call is not None and compiled is not None and compiled.executable is not None:
                self._kept.append(compiled)
                compiled.executable.signature.follow(self._head)
                self._head = compiled.executable.signature.address
                install(self, self._head)
            return entry

    def _warn_of_changes(self, change: str) -> None:
        warnings.warn(
            f"{self._parameters.function} was compiled {_VARIANTS + 1} times for the same "
            f"arguments "
            f"because of what it reads besides them ({change}); pass that as an argument",
            RuntimeWarning,
            stacklevel=4,
        )

    def _native_call(
        self,
        traced: Traced,
        keys: tuple[Key, ...],
        names: tuple[str, ...],
        statics: list[Any],
        captures: Captures,
        debug: bool,
    ) -> CallSpec | None:
        """How the native entry is to call this signature, or None if it must go through Python."""
        if self._target != "cpu" or debug or captures or not traced.outputs:
            return None
        params = _native_params(keys, traced)
        if params is None or any(r.kind == "input" for r in traced.results):
            return None
        out = "never" if self._parameters.has_out else "optional"
        returns, unflatten = "call", None
        if traced.is_direct and (traced.structure is None or isinstance(traced.structure, type)):
            returns = "array" if traced.structure is None else traced.structure.__name__
        else:
            out = "never"
            unflatten = functools.partial(_unflattened, traced)
        return CallSpec(
            params=params,
            keywords=names,
            returns=returns,
            out=out,
            statics=tuple(statics),
            unflatten=unflatten,
        )

    def _hurry(self) -> None:
        """Count calls that could have been native, and build the native entry when it pays."""
        if is_installed(self):
            return
        self._slow_calls += 1
        install(self, self._head, build=self._slow_calls >= _SLOW_CALLS)

    def _names(self, names: tuple[str, ...], positional: int) -> list[str]:
        return [*(self._parameters.name(i) for i in range(positional)), *names]

    def _signature_text(
        self, keys: tuple[Key, ...], names: tuple[str, ...], positional: int
    ) -> str:
        parts = zip(self._names(names, positional), map(key_text, keys))
        return ", ".join(
            name + (text if text.startswith("=") else f": {text}") for name, text in parts
        )

    def _reason(self, signature: Signature, change: str, positional: int) -> str:
        """Why no entry fitted, told by the entry that came nearest."""
        if change:
            return change
        if not self._entries:
            return "first call"
        keys, names, debug = signature
        nearest: list[str] | None = None
        for known_keys, known_names, known_debug in self._entries:
            if known_names != names or len(known_keys) != len(keys):
                continue
            found = differences(self._names(names, positional), known_keys, keys)
            if known_debug != debug:
                found.append(f"debug: {known_debug} -> {debug}")
            if nearest is None or len(found) < len(nearest):
                nearest = found
        return "number or names of the arguments" if nearest is None else ", ".join(nearest)

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Every level of the code for these arguments: ``.graph .program .schedule .llvm .asm``."""
        args, kwargs = self._parameters.arrange(args, kwargs)
        keys, _ = self._parameters.keys(args, kwargs)
        signature = keys, tuple(kwargs), config.debug
        entry, _ = self._find(signature)
        if entry is None:
            entry = self._compile(signature, args, kwargs)
        return Lowered(self._parameters.function, entry.row, entry.compiled)

    def cache_info(self) -> CacheInfo:
        """What was compiled: signature, when, how long it took, and why it was needed."""
        with self._lock:
            rows = [entry.row for entries in self._entries.values() for entry in entries]
        return CacheInfo(self._parameters.function, tuple(sorted(rows, key=lambda row: row.when)))

    def clear_cache(self) -> None:
        """Forget every compiled signature of this function (the disk cache keeps its own)."""
        with self._lock:
            install(self, 0)
            self._head = 0
            # Another thread may be inside compiled code, so `_kept` goes on holding it.
            self._entries = {}


Jitted: Any = callable_type("mlc.jit.Jitted", vars(_Jitted))


def jit(
    function: Callable[..., Any] | None = None,
    *,
    target: str = "cpu",
    static_argnames: str | Iterable[str] = (),
    static_argnums: int | Iterable[int] = (),
) -> Any:
    """Compile ``function``, written in NumPy, once for each signature it is called with.

    Use as ``@mlc.jit`` or ``@mlc.jit(...)``. Arrays and Python numbers are traced; a number
    promotes as in NumPy 2, weakly. Arguments named in ``static_argnames`` (or by place in
    ``static_argnums``) are not: each of their values is compiled on its own, so they may decide
    shapes, axes and branches. Lists, tuples, dicts, None and classes registered with optree may
    hold arrays, in arguments and results. Anything that is an array by ``__array__``,
    ``__array_interface__`` or ``__dlpack__`` is converted.

    ``f(a, b, out=c)`` writes the result to ``c``. ``target`` is ``"cpu"``, or ``"interpret"`` or
    ``"numpy"`` for the reference backends. See also ``f.lower(...)``, ``f.cache_info()`` and
    ``f.clear_cache()``.
    """
    if target not in TARGETS:
        raise ArgumentError(f"unknown target {target!r}; expected one of {', '.join(TARGETS)}")
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    def compile_later(wrapped: Callable[..., Any]) -> Any:
        if isinstance(wrapped, (staticmethod, classmethod)):
            return type(wrapped)(compile_later(wrapped.__func__))
        if not callable(wrapped):
            raise ArgumentError(f"mlc.jit compiles a function, got {type(wrapped).__name__}")
        made = Jitted()
        made._set_up(wrapped, target, names, numbers)
        return made

    return compile_later if function is None else compile_later(function)


def _unpickled(function: Callable[..., Any], target: str, static: list[str]) -> Any:
    return jit(function, target=target, static_argnames=static)


def _native_params(keys: tuple[Key, ...], traced: Traced) -> tuple[Any, ...] | None:
    """What the native entry checks for each argument; None if one is a tree or an object."""
    from .compile import array_spec
    from .runtime.entry import ScalarSpec, StaticSpec

    tensors = iter(traced.inputs)
    params: list[Any] = []
    for key in keys:
        if key[0] == "static":
            params.append(StaticSpec())
        elif isinstance(key[0], np.dtype):
            params.append(array_spec(next(tensors)))
        elif isinstance(key[0], type):
            next(tensors)
            params.append(
                ScalarSpec("float", "float64") if key[0] is float else ScalarSpec("int", "int64")
            )
        else:
            return None
    return tuple(params)


def _unflattened(traced: Traced, *outputs: Any) -> Any:
    return traced.assemble([np.asarray(output) for output in outputs], ())


def _symbol(name: str) -> str:
    kept = "".join(c if c.isalnum() and c.isascii() else "_" for c in name).strip("_")
    return kept or "lambda"


def _trimmed(error: BaseException) -> types.TracebackType | None:
    """The traceback of an error in the user's function without our frames: the user's line is last.

    Debug mode keeps them all, and so does an error that may be a mistake of ours.
    """
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    theirs = [f for f in frames if not f.tb_frame.f_code.co_filename.startswith(_PACKAGE)]
    is_clear = isinstance(error, MlcError) or frames[-1] in theirs
    if config.debug or not is_clear:
        return error.__traceback__
    for frame in reversed(theirs):
        traceback = types.TracebackType(traceback, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return traceback


_eager_functions: dict[Any, Any] = {}


def _run_eagerly(op: Op, arrays: tuple[Any, ...], static: dict[str, Any]) -> Any:
    """An operator on plain arrays: compiled for its static parameters, and run."""
    key: Any = (op, frozen_key(static))
    try:
        function = _eager_functions.get(key)
    except TypeError:  # a static parameter that cannot be hashed
        key, function = None, None
    if function is None:
        function = jit(functools.partial(op, **static))
        function._parameters.function = op.name
        if key is not None:
            while len(_eager_functions) >= _EAGER_LIMIT:
                _eager_functions.pop(next(iter(_eager_functions)), None)
            _eager_functions[key] = function
    return function(*arrays)


set_eager(_run_eagerly)
