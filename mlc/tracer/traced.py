"""What came of tracing a function: the graph to compute, and what the caller gets of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import te
from ..records import dataclass, replace
from ..te.axes_in_memory import places_of
from ..te.extent import Extent, is_open
from ..te.tensor import Call, Compute, Constant, Placeholder, Tensor
from . import tree
from .concrete import known
from .grown import is_arrays
from .held_lists import HeldLists
from .leaving import refuse_leak, refuse_text
from .masked import solid
from .new_objects import opened
from .open_results import first_rows
from .refills import Kept
from .result_order import Axes, axes_of, copied_in
from .rows import Row
from .sizes import Sizes
from .storage import is_read_only
from .streams import Drawn
from .trace import FunctionTrace
from .tracer import Tracer

if TYPE_CHECKING:
    from .printing import Printed


@dataclass(frozen=True, eq=False)
class Result:
    """One leaf of what a function returns.

    ``kind`` is ``"output"`` (``value`` is its number among the graph's outputs), ``"input"`` (an
    argument handed through: its number), ``"copy"`` (of an argument), ``"again"`` (an output that
    is another result already, copied), ``"row"`` (output, number: of an output), ``"open"``
    (output, for each axis its size, or None and the output that is its size: the first elements),
    ``"constant"`` (an array), ``"list"`` (a `ListResult`) or ``"value"`` (anything else).
    Weak results are Python numbers, as they would be without tracing; of others without axes some
    are arrays, as NumPy's would be, and the rest scalars. Nobody may write to arrays that are
    ``is_read_only``, as to NumPy's. ``axes`` are those of an output, copy or constant in the order
    in which they lie in memory, where that is not C's: an output is computed with its axes so.
    """

    kind: str
    value: Any
    weak: bool = False
    is_array: bool = False
    is_read_only: bool = False
    axes: Axes = None

    def as_computed(self, array: Any) -> Any:
        """The array for a result with its axes as they lie in memory."""
        return array if self.axes is None else array.transpose(self.axes)

    def shape_of(self, tensor: Tensor) -> tuple[int, ...]:
        """The shape of the result that ``tensor`` is computed for."""
        places = self.axes and places_of(self.axes)
        return tuple(tensor.shape[d] for d in places) if places else tensor.shape

    def as_returned(self, array: Any) -> Any:
        """``array``, which was computed with the axes as they lie in memory, with its own."""
        axes = self.axes
        return array if axes is None else array.transpose(places_of(axes))


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
class Limit:
    """What input number ``place``, a Python int, has to be for the trace to hold: from ``low`` to
    ``high``."""

    place: int
    low: int
    high: int


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
    printed: Printed | None = None  # what compiled code prints
    sizes: Sizes | None = None
    draws: Drawn | None = None
    refills: tuple[tuple[Any, ...], ...] = ()  # see `mlc.tracer.refills`
    limits: tuple[Limit, ...] = ()
    any_sizes: bool = False  # it is right for all sizes that data may choose
    orders: tuple[
        Axes, ...
    ] = ()  # of the results in NumPy's memory (see `mlc.tracer.result_order`)

    @property
    def is_direct(self) -> bool:
        """Whether the results are just the outputs, each once and in order; those without axes as
        scalars."""
        outputs = (r for r in self.results if r.kind == "output")
        places = [r.value for r in outputs if not (r.weak or r.is_array or r.is_read_only)]
        return len(places) == len(self.results) and places == list(range(len(self.outputs)))

    def leaves(self, computed: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
        """The leaves that the function returns, from the computed outputs and the arrays passed
        in; raises what compiled code noted that it would raise.
        """
        if self.sizes is not None:
            self.sizes.check(computed)
        if self.failure is not None:
            self.failure.check(computed)
        if self.draws is not None:
            self.draws.settle(computed)
        found: list[Any] = []
        for result in self.results:
            match result.kind:
                case "output":
                    leaf = result.as_returned(computed[result.value])
                case "again":
                    leaf = result.as_returned(computed[result.value]).copy(order="K")
                case "row":
                    place, number = result.value
                    leaf = np.array(computed[place][number])
                case "open":
                    place, sizes = result.value
                    leaf = computed[place]
                    found_sizes = [
                        n if size is None else int(np.asarray(computed[size]).reshape(()))
                        for n, size in zip(leaf.shape, sizes, strict=True)
                    ]
                    leaf = first_rows(leaf, tuple(found_sizes))
                case "input":
                    leaf = arrays[result.value]
                case "copy":
                    leaf = copied_in(arrays[result.value], result.axes)
                case "constant":
                    leaf = copied_in(result.value, result.axes)
                case "list":
                    found.append(result.value.items(computed))
                    continue
                case _:
                    held = result.value
                    found.append(held.copy() if type(held) in (set, bytearray) else held)
                    continue
            if not leaf.ndim:
                leaf = np.asarray(leaf) if result.is_array else leaf[()]
            if result.is_read_only and isinstance(leaf, np.ndarray):
                leaf = leaf.view() if result.kind == "input" else leaf
                leaf.flags.writeable = False
            found.append(leaf.item() if result.weak else leaf)
        return found

    @property
    def complex_leaves(self) -> list[bool]:
        """For each of the results, whether it is the memory of a complex array or number."""
        if self.structure is None or isinstance(self.structure, type):
            return [False] * len(self.results)
        return _complex_leaves(self.structure)

    def assemble(self, computed: Sequence[Any], arrays: Sequence[Any]) -> Any:
        """What the function returns: the leaves in their structure."""
        leaves = self.leaves(computed, arrays)
        if self.structure is None:
            return leaves[0]
        if isinstance(self.structure, type):
            return self.structure(leaves)
        return tree.unflatten(self.structure, leaves)


def _complex_leaves(structure: Any) -> list[bool]:
    from .complex.value import Complex

    if structure.is_leaf():
        return [False]
    if structure.type is Complex:
        return [True]
    return [found for child in structure.children() for found in _complex_leaves(child)]


def traced_results(
    returned: Any, trace: FunctionTrace, inputs: list[Tensor], arguments: list[Tracer],
    numbers: set[int],
) -> Traced:  # fmt: skip
    """What is computed and returned; ``numbers`` are the inputs of no axes.

    UnsupportedError for what only tracing knows of.
    """
    leaves, structure = _flattened(returned, trace)
    outputs = _Outputs(trace, inputs, numbers)
    results = outputs.with_sizes([outputs.result(leaf) for leaf in leaves])
    writes = tuple(outputs.writes(arguments))
    failure = None
    if trace.errors:
        place = outputs.place(trace.failure._tensor)
        failure = Failure(place, tuple(error for _, error in trace.errors.values()))
    printed = None
    if trace.prints is not None and trace.prints.sites:
        from .printing import Printed

        place = outputs.place(trace.prints.count._tensor)
        printed = Printed(place, tuple(trace.prints.sites))
    counted = None
    if trace.rooms is not None and trace.rooms.counts:
        places = tuple(outputs.apart(count) for count in trace.rooms.counts)
        counted = Sizes(places, trace.rooms.sizes[: len(places)])
    drawn = trace.draws.drawn(outputs.current)
    return Traced(
        tuple(inputs),
        tuple(outputs.places),
        results,
        structure,
        writes,
        failure,
        printed,
        counted,
        drawn,
        limits=tuple(outputs.limits()),
        orders=tuple(map(axes_of, leaves)),
    )


def _flattened(returned: Any, trace: FunctionTrace) -> tuple[list[Any], Any]:
    """The leaves of what a function returns, and its structure as `Traced` has it."""
    if isinstance(returned, Tracer) or tree.is_plain(returned):
        return [returned], None
    if type(returned) in (tuple, list) and all(isinstance(r, Tracer) for r in returned):
        return list(returned), type(returned)
    with tree.joining():
        leaves, structure = tree.flatten(opened(returned, trace), is_arrays)
    if is_arrays(returned):
        return leaves, None
    if trace.shown:
        for text in {key for path in structure.paths() for key in path if isinstance(key, str)}:
            refuse_text(text, trace)
    return leaves, structure


class _Outputs(HeldLists):
    """The tensors that a graph computes for its caller, each numbered where it is first asked
    for."""

    def __init__(self, trace: FunctionTrace, inputs: list[Tensor], numbers: set[int]) -> None:
        self.trace, self.inputs, self.numbers = trace, inputs, numbers
        self.number = {tensor: i for i, tensor in enumerate(inputs)}
        self.places: dict[Tensor, int] = {}
        self._owners: dict[Tensor, Any] = {}
        self.cut: set[Tensor] = set()
        self.whole: dict[Tensor, Tensor] = {}  # copies of those

    def place(self, tensor: Tensor) -> int:
        """The number of ``tensor`` among the outputs."""
        if tensor in self.cut:  # what the caller gets of that are its first elements
            tensor = self.whole.setdefault(tensor, _copied(tensor))
        return self.places.setdefault(tensor, len(self.places))

    def apart(self, tensor: Tensor) -> int:
        """The number of an output for ``tensor`` that the caller does not get."""
        return self.place(_copied(tensor) if tensor in self.places else tensor)

    def result(self, value: Any) -> Result:
        """How the caller gets ``value``."""
        found = self._found(solid(known(value)))
        return replace(found, is_read_only=True) if is_read_only(value) else found

    def _found(self, leaf: Any) -> Result:
        if is_arrays(leaf):
            return Result("list", self.held(leaf))
        if isinstance(leaf, Kept):
            return Result("list", self.rows_of(leaf.rows, leaf.rows.kind.pool, leaf.paths))
        if not isinstance(leaf, Tracer):
            refuse_leak(leaf, self.trace)
            is_array = isinstance(leaf, np.ndarray)
            return Result("constant" if is_array else "value", leaf, False, is_array)
        if isinstance(leaf._cell, Row) and leaf._view is None and leaf._cell.is_unread:
            return self.row(leaf, leaf._cell)
        tensor = leaf.__mlc_lift__(self.trace)
        if is_open(tensor.shape):
            return self.open(tensor)
        weak = tensor in self.trace.weak
        is_array = not (leaf.shape or weak or leaf._is_scalar())
        cell = leaf._cell
        is_argument = cell.place is not None and not (cell.version and cell.place in self.numbers)
        is_whole = leaf._view is None or tensor in self.number and not cell.version
        if is_argument and is_whole:
            return Result("input", cell.place, weak, is_array)
        match tensor.op:
            case Constant(array=array):
                return Result("constant", array, weak, is_array)
            case Placeholder() if weak:
                return Result("input", self.number[tensor], weak)
            case Placeholder():
                return Result("copy", self.number[tensor], False, is_array)
            case _:
                owner = self._owners.setdefault(tensor, cell)
                kind = "output" if owner is cell or not tensor.shape else "again"
                return Result(kind, self.place(tensor), weak, is_array)

    def open(self, tensor: Tensor) -> Result:
        """``tensor``, whose sizes the data choose."""
        from .open_lengths import number_of

        sizes = tuple(
            number_of(n, self.trace) if isinstance(n, Extent) else None for n in tensor.shape
        )
        from ..ops.closing import closed, first_of

        most = tuple(map(int, tensor.shape))
        held = first_of(tensor)
        is_made = held is not None and isinstance(held.op, (Compute, Call))
        if held is None or held.shape != most or not is_made or held in self.places:
            held = closed(self.trace.wrap(tensor), fill=None).__mlc_lift__(self.trace)
        place = self.place(held)
        self.cut.add(held)
        return Result("open", (place, sizes))

    def with_sizes(self, results: list[Result]) -> tuple[Result, ...]:
        """The results, with numbers of outputs for sizes: those come after what the caller gets."""
        number = lambda size: None if size is None else self.current(size)
        return tuple(
            replace(r, value=(r.value[0], tuple(map(number, r.value[1]))))
            if r.kind == "open"
            else r
            for r in results
        )

    def current(self, value: Tracer) -> int:
        """The number of the output that is what ``value`` holds now."""
        tensor = value.__mlc_lift__(self.trace)
        if not isinstance(tensor.op, (Compute, Call)):
            tensor = _copied(tensor)
        return self.place(tensor)

    def limits(self) -> Iterator[Limit]:
        """What arguments have to be for the trace to hold."""
        for tensor, (low, high) in self.trace.limits.items():
            if tensor in self.number:
                yield Limit(self.number[tensor], low, high)

    def row(self, leaf: Tracer, cell: Row) -> Result:
        """``leaf``, which is a row of an array and was not looked at."""
        leaf._check_trace(self.trace)
        is_array = cell.is_array and not leaf.shape
        return Result("row", (self.place(cell.source), cell.number), cell.weak, is_array)

    def writes(self, arguments: list[Tracer]) -> Iterator[tuple[int, int]]:
        """(output, input) for each of ``arguments``, the first inputs, that holds something else
        than it did."""
        for place, argument in enumerate(arguments):
            if not argument._cell.version:
                continue
            tensor = argument._tensor
            if tensor is not self.inputs[place]:
                if not isinstance(tensor.op, (Compute, Call)):
                    tensor = _copied(tensor)
                yield self.place(tensor), place


def _copied(tensor: Tensor) -> Tensor:
    made = te.compute(tensor.shape, lambda *index: tensor[index], name="copy", op="copy")
    assert isinstance(made, Tensor)
    return made
