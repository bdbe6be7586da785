"""What the native entry of a function checks for each argument, and how it is called."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from .compile import CallSpec, array_spec
from .records import replace
from .runtime.entry import Param, ScalarSpec, StaticSpec, TreeSpec, leaves
from .te.axes_in_memory import dense_steps, places_of
from .te.tensor import Tensor
from .tracer.parameters import Parameters
from .tracer.signature import Key, is_complex_key, is_scalar_key
from .tracer.traced import Limit, Result, Traced

if TYPE_CHECKING:
    from .runtime.entry import ArraySpec
    from .runtime.executor import Executable
    from .runtime.signature import Signature

Form = tuple[tuple[Any, ...], dict[str, Any]]  # arguments by place and by keyword
Limits = dict[Tensor, Limit]
_MOST_LEAVES = 1024  # of arguments that the native entry takes apart, on its stack
_MOST_NUMBERS = 4096  # in lists, which it puts side by side there
_TREES: dict[Any, Literal["tuple", "list", "dict", "none"]] = {
    tuple: "tuple",
    list: "list",
    dict: "dict",
    type(None): "none",
}
_NUMBERS = {
    float: ScalarSpec("float", "float64"),
    int: ScalarSpec("int", "int64"),
    bool: ScalarSpec("bool", "bool"),
}


def native_call(
    traced: Traced,
    keys: tuple[Key, ...],
    names: tuple[str, ...],
    given: Sequence[Any],
    parameters: Parameters,
) -> CallSpec | None:
    """How native code is to be called: with the user's arguments if they are plain, or lists,
    tuples and dicts of such; else with the arrays in them. ``given`` are the arguments.
    """
    if not traced.outputs:
        return None
    params = _params(keys, traced)
    placed = parameters.positional[: len(keys) - len(names)]
    by_place = _by_place(placed, parameters)
    held = parameters.defaults.held({*placed, *names})
    is_plain = not any(r.kind in ("input", "copy") for r in traced.results)
    if params is None or not is_plain or traced.writes or traced.draws is not None:
        return CallSpec(returns="list", out="never")
    plain = _plain_results(traced)
    if plain is not None:
        returns, outputs, numbers, sizes = plain
        return CallSpec(
            params=params,
            outputs=outputs,
            keywords=names,
            names=by_place,
            returns=returns,
            out="never" if parameters.has_out or numbers else "optional",
            statics=statics_of(keys, given),
            held=held,
            numbers=numbers,
            sizes=sizes,
        )
    if traced.sizes is not None:
        return CallSpec(returns="list", out="never")  # Python looks at what the data chose
    is_whole = traced.is_direct and not any(result.axes for result in traced.results)
    return CallSpec(
        params=params,
        keywords=names,
        names=by_place,
        returns="call",
        out="never",
        statics=statics_of(keys, given),
        held=held,
        unflatten=functools.partial(_whole if is_whole else _unflattened, traced),
    )


_Plain: TypeAlias = tuple[
    str, tuple["ArraySpec", ...], tuple[int | None, ...], tuple[int | None, ...]
]


def _plain_results(traced: Traced) -> _Plain | None:
    """How native code returns the results, what the outputs are, if those returned are arrays or
    NumPy scalars, one or a flat tuple or list (complex ones are pairs of real numbers in the
    graph), and the numbers after them and sizes, as `mlc.runtime.entry.EntrySpec` has them."""
    is_sure = traced.sizes is None and traced.failure is None
    looks = ((), ()) if traced.is_direct and is_sure else _numbers(traced)
    if looks is None:
        return None
    specs = [_result_spec(*pair) for pair in zip(traced.outputs, traced.results)]
    rest = tuple(map(array_spec, traced.outputs[len(specs) :]))
    structure = traced.structure
    if structure is None or isinstance(structure, type):
        return "array" if structure is None else structure.__name__, (*specs, *rest), *looks
    is_flat = structure.type in (tuple, list)
    parts = structure.children() if is_flat else [structure]
    if len(parts) != len(specs):
        return None
    found = [spec if p.is_leaf() else _complex_result(spec, p) for spec, p in zip(specs, parts)]
    results = tuple(spec for spec in found if spec is not None)
    if len(results) < len(found):
        return None
    return structure.type.__name__ if is_flat else "array", (*results, *rest), *looks


def _numbers(traced: Traced) -> tuple[tuple[int | None, ...], tuple[int | None, ...]] | None:
    """What the outputs after those returned must be, and which of them is the first size of each
    that is returned; None where the results are not just the first outputs, in order, or shorter
    along other axes, or where what comes after them is something else."""
    wanted: dict[int, int | None] = {}
    sizes: list[int | None] = []
    count = len(traced.results)
    for place, result in enumerate(traced.results):
        if result.weak or result.is_array or result.is_read_only:
            return None
        match result.kind, result.value:
            case "output", number:
                sizes.append(None)
            case "open", (number, (int() as size, *others)) if not any(
                other is not None for other in others
            ):
                sizes.append(size - count)
                wanted[size] = None
            case _:
                return None
        if number != place:
            return None
    if traced.failure is not None:
        wanted[traced.failure.output] = 0
    if traced.sizes is not None:
        wanted |= zip(traced.sizes.outputs, traced.sizes.expected, strict=True)
    after = range(count, len(traced.outputs))
    is_known = sorted(wanted) == [*after] and all(
        _is_number(traced.outputs[number]) for number in after
    )
    return (tuple(wanted[number] for number in after), tuple(sizes)) if is_known else None


def _is_number(tensor: Tensor) -> bool:
    """Whether the tensor is one integer, of no more bytes than the native entry has room for."""
    return tensor.shape in ((), (1,)) and tensor.dtype.numpy.kind in "iu"


def _result_spec(tensor: Tensor, result: Result) -> ArraySpec:
    """What the array is that has the elements of ``tensor``."""
    spec = array_spec(tensor)
    if result.axes is None:
        return spec
    places = places_of(result.axes)
    shape = tuple(spec.shape[place] for place in places)
    steps = dense_steps(shape, result.axes)
    strides = tuple(step * spec.numpy.itemsize for step in steps)
    return dataclasses.replace(spec, shape=shape, strides=strides)


def _complex_result(spec: ArraySpec, structure: Any) -> ArraySpec | None:
    """What the complex array or scalar is that ``structure`` makes of one array, which ``spec``
    describes; None if it is anything else."""
    if spec.shape[-1:] != (2,) or spec.numpy.kind != "f":
        return None
    from .tracer.complex.value import Complex

    if structure.type is not Complex:
        return None
    sample = structure.unflatten([np.zeros([*(1 for _ in spec.shape[1:]), 2], spec.numpy)])
    kind = np.ndarray if len(spec.shape) > 1 else np.generic
    if not isinstance(sample, kind) or sample.dtype.kind != "c":
        return None
    return dataclasses.replace(spec, shape=spec.shape[:-1], dtype=sample.dtype.name)


def _by_place(names: Sequence[str], parameters: Parameters) -> tuple[str | None, ...]:
    """The names of arguments that come by place, for those that may come by keyword too."""
    return tuple(name if name in parameters.by_name else None for name in names)


def other_form(
    executable: Executable, call: CallSpec, parameters: Parameters, short: Form, whole: Form
) -> Signature:
    """The table for calls that pass defaults, as ``whole`` does, of what was compiled for
    ``short``, the same call without them."""
    args, kwargs = short
    names = [name for name, _ in parameters.named(args, kwargs)]
    objects = iter(call.statics)
    known: dict[str, tuple[Param, list[object]]] = {}
    for name, param in zip(names, executable.spec.params, strict=True):
        count = sum(isinstance(leaf, StaticSpec) for leaf in leaves([param]))
        known[name] = param, [next(objects) for _ in range(count)]
    params: list[Param] = []
    statics: list[object] = []
    args, kwargs = whole
    placed = parameters.positional[: len(args)]
    for name, value in parameters.named(args, kwargs):
        param, held = known[name] if name in known else _default_param(value)
        params.append(param)
        statics += held
    spec = replace(
        executable.spec, params=tuple(params), keywords=tuple(kwargs),
        names=_by_place(placed, parameters),
    )  # fmt: skip
    return executable.called(spec, statics, parameters.defaults.held({*placed, *kwargs}))


def _default_param(value: Any) -> tuple[Param, list[object]]:
    """What the native entry checks for an argument that is a default, and the values in it."""
    if type(value) is not tuple:
        return StaticSpec(), [value]
    found = [_default_param(item) for item in value]
    children = tuple(param for param, _ in found)
    return TreeSpec("tuple", children), [one for _, held in found for one in held]


def statics_of(keys: tuple[Key, ...], given: Sequence[Any]) -> tuple[Any, ...]:
    """The static ones of the arguments and of what they hold, as `_params` meets them."""
    found: list[Any] = []
    for key, value in zip(keys, given):
        if key[0] == "static":
            found.append(value)
        elif not isinstance(key[0], (np.dtype, type)):
            from .tracer.packing import leaves_by

            held = zip(leaves_by(key[0], value), key[1:])
            found += [leaf for leaf, kind in held if kind[0] == "static"]
    return tuple(found)


def _params(keys: tuple[Key, ...], traced: Traced) -> tuple[Any, ...] | None:
    """What the native entry checks for each argument; None if it cannot: for complex numbers, trees
    of other classes, and large ones, and for numbers of which none will do."""
    tensors = iter(traced.inputs)
    limits = {traced.inputs[limit.place]: limit for limit in traced.limits}
    is_for_none = any(limit.low > limit.high for limit in traced.limits)
    if is_for_none or sum(map(len, keys)) > _MOST_LEAVES:
        return None
    params = [_param(key, tensors, limits) for key in keys]
    found = [param for param in params if param is not None]
    if len(found) < len(params):
        return None
    parts = leaves(found)
    own = sum(1 for part in parts if not (isinstance(part, ScalarSpec) and part.follows))
    return tuple(found) if own <= _MOST_LEAVES and len(parts) <= _MOST_NUMBERS else None


def _param(key: Key, tensors: Iterator[Tensor], limits: Limits) -> Param | None:
    match key[0]:
        case "static":
            return StaticSpec()
        case np.dtype():
            return _array_param(next(tensors), key)
        case type():
            limit = limits.get(next(tensors))
            if key[0] is complex:
                return None
            found = _NUMBERS[key[0]]
            return found if limit is None else replace(found, low=limit.low, high=limit.high)
    return _tree_param(key[0], iter(key[1:]), tensors, limits)


def _tree_param(
    structure: Any, keys: Iterator[Key], tensors: Iterator[Tensor], limits: Limits
) -> Param | None:
    """The tree of ``structure`` whose leaves have the next of ``keys``."""
    if structure.is_leaf():
        return _param(next(keys), tensors, limits)
    if structure.type not in _TREES:
        return _packed_param(structure, keys, tensors)
    children = tuple(_tree_param(child, keys, tensors, limits) for child in structure.children())
    names = tuple(structure.entries()) if structure.type is dict else ()
    if None in children or not all(type(name) is str for name in names):
        return None
    return TreeSpec(_TREES[structure.type], children, names)  # type: ignore[arg-type]


def _packed_param(structure: Any, keys: Iterator[Key], tensors: Iterator[Tensor]) -> Param | None:
    """Lists of Python's floats, or ints, alone, whose values native code puts side by side."""
    from .tracer.packing import form_of

    form = form_of(structure)
    if form is None or form.structure.num_leaves > _MOST_NUMBERS:
        return None
    for _ in form.kinds:
        next(keys), next(tensors)
    if form.kinds not in ((float,), (int,)):
        return None
    first = _NUMBERS[form.kinds[0]]
    numbers = chain([first], repeat(replace(first, follows=True)))
    return _numbers_param(form.structure, numbers)


def _numbers_param(structure: Any, numbers: Iterator[ScalarSpec]) -> Param:
    if structure.is_leaf():
        return next(numbers)
    children = tuple(_numbers_param(child, numbers) for child in structure.children())
    return TreeSpec(_TREES[structure.type], children)


def _array_param(tensor: Tensor, key: Key) -> Any:
    spec = array_spec(tensor)
    if not key[1]:
        spec = dataclasses.replace(spec, only="scalar" if is_scalar_key(key) else "array")
    if not is_complex_key(key):
        return spec
    strides = None if spec.strides is None else spec.strides[:-1]  # without the axis of the parts
    return dataclasses.replace(spec, shape=key[1], dtype=key[0].name, strides=strides)


def _whole(traced: Traced, *outputs: Any) -> Any:
    return traced.structure.unflatten(outputs)


def _unflattened(traced: Traced, *outputs: Any) -> Any:
    return traced.assemble([np.asarray(output) for output in outputs], ())
