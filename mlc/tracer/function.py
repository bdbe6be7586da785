"""A Python function turned into a graph: traced once for the arguments of one signature."""

from __future__ import annotations

import copy
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import te
from ..errors import ArgumentError, MlcError, UnsupportedError
from ..records import dataclass
from ..te.tensor import Call, Compute, Constant, Placeholder, Tensor
from . import tree
from .attributes import is_object
from .captures import Captures
from .concrete import known
from .creation import standing_in
from .deciding import identifier
from .masked import solid
from .signature import (
    Identity,
    Key,
    array_key,
    is_complex_key,
    is_scalar_key,
    is_setting,
    leaf_key,
    placeholder,
    static_key,
)
from .sizes import Rooms, Sizes
from .trace import FAILING, FunctionTrace, tracing
from .tracer import Tracer

Arrays = list[np.ndarray[Any, Any]]
_TREES = (list, tuple, dict)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameters:
    """What the signature of ``function`` says: names, which are static, whether ``out`` is its
    own.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static_names: Iterable[str],
        static_numbers: Iterable[int],
    ) -> None:
        self.function = getattr(function, "__name__", type(function).__name__)
        try:
            found = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            found = []
        self.positional = [p.name for p in found if p.kind in _POSITIONAL]
        self.by_name = {p.name for p in found if p.kind is not p.POSITIONAL_ONLY}
        self.rest = next((p.name for p in found if p.kind is p.VAR_POSITIONAL), "args")
        takes_any = any(p.kind is p.VAR_KEYWORD for p in found)
        self.has_out = any(p.name == "out" for p in found)
        # Methods: the object is no array, and is told apart by identity.
        self.has_self = self.positional[:1] in (["self"], ["cls"])
        self.static = set(static_names)
        for name in self.static:
            if found and name not in {p.name for p in found} and not takes_any:
                raise ArgumentError(
                    f"static_argnames names {name!r}, but {self.function} has the parameters "
                    f"{', '.join(p.name for p in found)}"
                )
        for number in static_numbers:
            place = number + len(self.positional) if number < 0 else number
            if not 0 <= place < len(self.positional):
                raise ArgumentError(
                    f"static_argnums names argument {number}, but {self.function} has "
                    f"{len(self.positional)} positional parameters"
                )
            self.static.add(self.positional[place])

    def name(self, place: int) -> str:
        """What positional argument number ``place`` is called."""
        known = len(self.positional)
        return self.positional[place] if place < known else f"{self.rest}[{place - known}]"

    def names_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int, str]:
        """What is passed, by its id, as the function calls it."""
        named: dict[int, str] = {}
        for name, value in _named(self, args, kwargs):
            named[id(value)] = name
            if type(value) in _TREES:
                leaves, structure = tree.flatten(value)
                named |= zip(map(id, leaves), tree.leaf_names(name, structure))
        return named

    def arrange(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same call with keywords moved to their places as far as possible, the others
        sorted.
        """
        extra = []
        for name in self.positional[len(args) :]:
            if name not in kwargs or name not in self.by_name:
                break
            extra.append(kwargs[name])
        moved = self.positional[len(args) : len(args) + len(extra)]
        rest = {name: kwargs[name] for name in sorted(kwargs) if name not in moved}
        return (*args, *extra), rest

    def is_static(self, place: int, name: str, value: Any) -> bool:
        """Whether an argument decides what is compiled: named so, a setting, or the object of a
        method."""
        if name in self.static or is_setting(value):
            return True
        return is_object(value) or place == 0 and self.has_self and tree.is_leaf(value)

    def keys(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Key, ...], Arrays]:
        """The key of each argument, and the arrays to pass for all of them."""
        keys: list[Key] = []
        arrays: Arrays = []
        for place, value in enumerate(args):
            if type(value) is np.ndarray and not self.static:
                array, key = array_key(value)
                arrays.append(array)
                keys.append(key)
                continue
            name = self.name(place)
            if self.is_static(place, name, value):
                keys.append(self._static(place, name, value))
            else:
                keys.append(self._traced(name, value, arrays))
        for name, value in kwargs.items():
            if self.is_static(-1, name, value):
                keys.append(self._static(-1, name, value))
            else:
                keys.append(self._traced(name, value, arrays))
        return tuple(keys), arrays

    def sources(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
        """What the caller passed for each of the arrays of `keys`, with its name."""
        found: list[tuple[str, Any]] = []
        for place, (name, value) in enumerate(_named(self, args, kwargs)):
            if self.is_static(place if place < len(args) else -1, name, value):
                continue
            if type(value) not in _TREES and tree.is_leaf(value):
                found.append((name, value))
            else:
                leaves, structure = tree.flatten(value)
                found += [
                    (label, leaf)
                    for label, leaf in zip(tree.leaf_names(name, structure), leaves)
                    if not self.is_static(-1, label, leaf)
                ]
        return found

    def _static(self, place: int, name: str, value: Any) -> Key:
        if name not in self.static and (is_object(value) or place == 0 and self.has_self):
            if not is_setting(value):
                return "static", type(value), Identity(value)
        return static_key(value, name, self.function)

    def _traced(self, name: str, value: Any, arrays: Arrays) -> Key:
        if type(value) not in _TREES and tree.is_leaf(value):
            array, key = leaf_key(value, name, self.function)
            arrays.append(array)
            return key
        leaves, structure = tree.flatten(value)
        keys: list[Any] = [structure]
        labels: list[str] = tree.leaf_names(name, structure) if self.static else []
        for i, leaf in enumerate(leaves):
            if type(leaf) is np.ndarray:
                array, key = array_key(leaf)
            elif is_setting(leaf) or labels and labels[i] in self.static:
                keys.append(static_key(leaf, name, self.function))
                continue
            elif is_object(leaf):
                keys.append(("static", type(leaf), Identity(leaf)))
                continue
            else:
                try:
                    array, key = leaf_key(leaf, name, self.function)
                except MlcError:  # once more, for the error to name the leaf
                    leaf_key(leaf, tree.leaf_names(name, structure)[i], self.function)
                    raise
            arrays.append(array)
            keys.append(key)
        return tuple(keys)


@dataclass(frozen=True, eq=False)
class Result:
    """One leaf of what a function returns.

    ``kind`` is ``"output"`` (``value`` is its number among the graph's outputs), ``"input"`` (an
    argument handed through: its number), ``"copy"`` (of an argument), ``"again"`` (an output that
    is another result already, copied), ``"constant"`` (an array) or ``"value"`` (anything else).
    Weak results are Python numbers, as they would be without tracing; of others without axes some
    are arrays, as NumPy's would be, and the rest scalars.
    """

    kind: str
    value: Any
    weak: bool = False
    is_array: bool = False


@dataclass(frozen=True, eq=False)
class Failure:
    """Errors that compiled code may meet: output number ``output`` says which, counted from 1."""

    output: int
    errors: tuple[BaseException, ...]

    def check(self, computed: Sequence[Any]) -> None:
        """Raises the error that was met, if any was."""
        number = int(np.asarray(computed[self.output])[0])
        if number:
            try:
                error = copy.copy(self.errors[number - 1])
            except Exception:  # it wants other arguments than it holds
                error = self.errors[number - 1]
            error.__cause__ = self.errors[number - 1].__cause__
            raise error.with_traceback(None)


@dataclass(frozen=True, eq=False)
class Traced:
    """A traced function: placeholders in the order of the arrays, outputs to compute, what is
    returned.

    ``structure`` is None for a single leaf, tuple or list for a flat one, else a tree. ``writes``
    holds (output, input): what the array passed as an input is to hold after the call.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    results: tuple[Result, ...]
    structure: Any
    writes: tuple[tuple[int, int], ...] = ()
    failure: Failure | None = None
    sizes: Sizes | None = None

    @property
    def is_direct(self) -> bool:
        """Whether the results are just the outputs, each once and in order; those without axes as
        scalars."""
        plain = (r for r in self.results if r.kind == "output" and not (r.weak or r.is_array))
        places = [r.value for r in plain]
        return len(places) == len(self.results) and places == list(range(len(self.outputs)))

    def leaves(self, computed: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
        """The leaves that the function returns, from the computed outputs and the arrays passed
        in; raises what compiled code noted that it would raise.
        """
        if self.sizes is not None:
            self.sizes.check(computed)
        if self.failure is not None:
            self.failure.check(computed)
        found: list[Any] = []
        for result in self.results:
            match result.kind:
                case "output":
                    leaf = computed[result.value]
                case "again":
                    leaf = computed[result.value].copy()
                case "input":
                    leaf = arrays[result.value]
                case "copy":
                    leaf = arrays[result.value].copy()
                case "constant":
                    leaf = result.value.copy()
                case _:
                    found.append(result.value)
                    continue
            if not leaf.ndim:
                leaf = np.asarray(leaf) if result.is_array else leaf[()]
            found.append(leaf.item() if result.weak else leaf)
        return found

    def assemble(self, computed: Sequence[Any], arrays: Sequence[Any]) -> Any:
        """What the function returns: the leaves in their structure."""
        leaves = self.leaves(computed, arrays)
        if self.structure is None:
            return leaves[0]
        if isinstance(self.structure, type):
            return self.structure(leaves)
        return tree.unflatten(self.structure, leaves)


def trace_function(
    function: Callable[..., Any],
    parameters: Parameters,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    keys: tuple[Key, ...],
    captures: Captures,
    naming: bool = False,
    sizes: tuple[int, ...] | None = None,
) -> Traced:
    """Run ``function`` on traced values in place of all arguments that are not static. With
    ``naming`` the tensors are called as the user's variables are. ``sizes`` are those that the data
    decide, as far as they are known: SizeWanted at the next one."""
    trace = _trace(parameters.function, captures, naming)
    inputs: list[Tensor] = []
    if sizes is not None:
        trace.rooms = Rooms(sizes)
        inputs = trace.rooms.inputs
    leaves: list[Tracer] = []
    numbers: set[int] = set()
    trees: list[tuple[str, Any, list[Any]]] = []

    def leaf(name: str, key: Key) -> Any:
        tensor, weak = placeholder(identifier(name), key, parameters.function)
        inputs.append(tensor)
        if weak:
            trace.weak.add(tensor)
        leaves.append(Tracer(tensor, trace, place=len(inputs) - 1))
        if len(key) == 1 or not key[1]:
            numbers.add(len(inputs) - 1)
        if is_complex_key(key):
            return _complex(leaves[-1], key)
        leaves[-1]._cell.is_array = not is_scalar_key(key)
        return leaves[-1]

    def traced(name: str, key: Key, value: Any) -> Any:
        if key[0] == "static":
            return value
        if isinstance(key[0], (np.dtype, type)):
            return leaf(name, key)
        names = tree.leaf_names(name, key[0])
        given = tree.flatten(value)[0]
        made = tree.unflatten(key[0], [traced(*leaf) for leaf in zip(names, key[1:], given)])
        trees.append((name, made, tree.flatten(made)[0]))
        return made

    named = list(_named(parameters, args, kwargs))
    try:
        with tracing(trace), standing_in(captures.spaces):
            if FAILING.get():
                trace.failure = _no_failure(trace)
            values = [traced(name, key, value) for (name, value), key in zip(named, keys)]
            returned = function(*values[: len(args)], **dict(zip(kwargs, values[len(args) :])))
            _check_trees(trees, parameters.function)
            done = _results(returned, trace, inputs, leaves, numbers)
    except Exception as error:
        error.wanted = trace.wanted  # type: ignore[attr-defined]  # see `deciding.static_after`
        raise
    trace.forget()
    return done


def _complex(pair: Tracer, key: Key) -> Any:
    from .complex.value import from_argument

    return from_argument(pair, len(key) == 1, is_scalar_key(key))


def _check_trees(trees: list[tuple[str, Any, list[Any]]], function: str) -> None:
    """Raise if the function has put something into a list or dict that it was passed: that was a
    copy, and the caller would never see it."""
    for name, value, before in trees:
        after, _ = tree.flatten(value)
        if len(after) != len(before) or any(a is not b for a, b in zip(after, before)):
            raise UnsupportedError(
                f"{function} changes which values {name}, a {type(value).__name__}, holds, and its "
                f"caller would not see that; write into the arrays (x[...] = value), or return "
                f"what changed"
            )


def _trace(name: str, captures: Captures, naming: bool) -> FunctionTrace:
    if not naming:
        return FunctionTrace(name, captures)
    from .assigned_names import NamingTrace

    return NamingTrace(name, captures)


def _named(
    parameters: Parameters, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    for place, value in enumerate(args):
        yield parameters.name(place), value
    yield from kwargs.items()


def _results(
    returned: Any, trace: FunctionTrace, inputs: list[Tensor], arguments: list[Tracer],
    numbers: set[int],
) -> Traced:  # fmt: skip
    """What is computed and returned; ``numbers`` are the inputs of no axes."""
    structure: Any = None
    if isinstance(returned, Tracer) or tree.is_plain(returned):
        leaves = [returned]
    elif type(returned) in (tuple, list) and all(isinstance(r, Tracer) for r in returned):
        leaves, structure = list(returned), type(returned)
    else:
        with tree.joining():
            leaves, structure = tree.flatten(returned)
    number = {tensor: i for i, tensor in enumerate(inputs)}
    outputs: dict[Tensor, int] = {}
    owners: dict[Tensor, Any] = {}
    results = []
    for leaf in leaves:
        leaf = solid(known(leaf))
        if not isinstance(leaf, Tracer):
            _refuse_leak(leaf, trace)
            kind = "constant" if isinstance(leaf, np.ndarray) else "value"
            results.append(Result(kind, leaf))
            continue
        tensor = leaf.__mlc_lift__(trace)
        weak = tensor in trace.weak
        is_array = not (leaf.shape or weak or leaf._is_scalar())
        cell = leaf._cell
        is_argument = cell.place is not None and not (cell.version and cell.place in numbers)
        is_whole = leaf._view is None or tensor in number and not cell.version
        if is_argument and is_whole:
            results.append(Result("input", cell.place, weak, is_array))
            continue
        match tensor.op:
            case Constant(array=array):
                results.append(Result("constant", array, weak, is_array))
            case Placeholder() if weak:
                results.append(Result("input", number[tensor], weak))
            case Placeholder():
                results.append(Result("copy", number[tensor], False, is_array))
            case _:
                owner = owners.setdefault(tensor, cell)
                kind = "output" if owner is cell or not tensor.shape else "again"
                place = outputs.setdefault(tensor, len(outputs))
                results.append(Result(kind, place, weak, is_array))
    writes = []
    for place, argument in enumerate(arguments):
        if not argument._cell.version:
            continue
        tensor = argument._tensor
        if argument._cell.version and tensor is not inputs[place]:
            if not isinstance(tensor.op, (Compute, Call)):
                tensor = _copied(tensor)
            writes.append((outputs.setdefault(tensor, len(outputs)), place))
    failure = None
    if trace.errors:
        place = outputs.setdefault(trace.failure._tensor, len(outputs))
        failure = Failure(place, tuple(error for _, error in trace.errors.values()))
    counted = None
    if trace.rooms is not None and trace.rooms.counts:
        places = tuple(outputs.setdefault(count, len(outputs)) for count in trace.rooms.counts)
        counted = Sizes(places, trace.rooms.sizes)
    return Traced(
        tuple(inputs), tuple(outputs), tuple(results), structure, tuple(writes),
        failure, counted,
    )  # fmt: skip


def _no_failure(trace: FunctionTrace) -> Tracer:
    from ..ops.create import filled

    return Tracer(filled.tensors(trace, (0,), {"shape": (1,), "dtype": "int32"}), trace)


def _refuse_leak(leaf: Any, trace: FunctionTrace) -> None:
    """Raise if what a function returns is, or holds, something that only tracing knows of."""
    kind = type(leaf)
    runs_later = isinstance(leaf, (Iterator, AsyncIterator, Coroutine))
    if tree.is_plain(leaf) or kind.__module__ == "builtins" and not runs_later:
        return
    if runs_later:
        if isinstance(leaf, Coroutine):
            leaf.close()  # else Python warns that nobody awaited it
        raise UnsupportedError(
            f"{trace.name} returns a {kind.__name__}, which would run after tracing has ended; "
            f"return a list or an array"
        )
    if hasattr(kind, "__mlc_lift__"):
        leaf.__mlc_lift__(trace)  # which raises where the size is not known
        raise UnsupportedError(
            f"{trace.name} returns a {kind.__name__} of a traced array, which is no array; return "
            f"an array made of it, such as x.ravel() for x.flat"
        )
    held = getattr(leaf, "__dict__", {}).items()
    name = next((n for n, value in held if hasattr(type(value), "__mlc_lift__")), None)
    if name is not None:
        raise UnsupportedError(
            f"{trace.name} returns a {kind.__name__} whose {name} is a traced value, and nobody "
            f"would put the result in its place; return the array, or register {kind.__name__} "
            f"with optree"
        )


def _copied(tensor: Tensor) -> Tensor:
    made = te.compute(tensor.shape, lambda *index: tensor[index], name="copy", op="copy")
    assert isinstance(made, Tensor)
    return made
