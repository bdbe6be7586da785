"""A loop or a branch as an operation of a graph.

The body of a loop is traced once, with placeholders for what changes from one iteration to the
next. What it computes without them stands outside of it, in the graph around.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dtypes import int64
from ..errors import SourceLocation
from ..ir.grids import Grid
from ..ir.program import Buffer, Program
from ..records import dataclass
from ..te.extent import Extent
from ..te.tensor import Call, Compute, Constant, Placeholder, Tensor
from ..te.unset import is_unset

Bound = Tensor | int
_NEVER = 1 << 62


@dataclass(frozen=True, eq=False)
class Body:
    """``outputs`` as functions of ``params``, and of tensors of the graph around."""

    params: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    since: int | None = None

    def members(self) -> list[Tensor]:
        """The tensors that depend on ``params``, or were made since number ``since``, in the order
        in which they were made."""
        return members_of(self.params, self.outputs, self.since)


def inputs_of(tensor: Tensor) -> tuple[Tensor, ...]:
    """What ``tensor`` is computed from, the lengths of its axes included."""
    op = tensor.op
    if not isinstance(op, Compute):
        return tensor.inputs
    axes = op.axes if op.reduction is None else (*op.axes, *op.reduction.axes)
    extents: list[Any] = [a.extent for a in axes]
    lengths = [extent.length for extent in extents if isinstance(extent, Extent)]
    return (*op.inputs, *lengths) if lengths else op.inputs


def members_of(
    params: Sequence[Tensor], outputs: Sequence[Tensor], since: int | None
) -> list[Tensor]:
    """What leads from ``params`` to ``outputs``, without the ``params``."""
    given = set(params)
    first = min((t.serial for t in params), default=_NEVER) if since is None else since
    depends: dict[Tensor, bool] = dict.fromkeys(given, True)
    stack = list(outputs)
    while stack:
        tensor = stack[-1]
        if tensor in depends:
            stack.pop()
            continue
        if tensor.serial < first or isinstance(tensor.op, (Placeholder, Constant)):
            depends[tensor] = False
            continue
        reads = inputs_of(tensor)
        missing = [t for t in reads if t not in depends]
        if missing:
            stack.extend(missing)
            continue
        depends[tensor] = (
            since is not None or len(reads) > len(tensor.inputs) or any(depends[t] for t in reads)
        )
    found = [t for t, inside in depends.items() if inside and t not in given]
    return sorted(found, key=lambda t: t.serial)


@dataclass(frozen=True, eq=False)
class For:
    """``for index in range(start, stop, step)``, while ``test`` (of the same params) holds.

    The first param is the index, 0-d int64; the others are the state.
    """

    start: Bound
    stop: Bound
    step: int
    body: Body
    test: Body | None = None


@dataclass(frozen=True, eq=False)
class While:
    """``while test: state = body(state)``."""

    test: Body
    body: Body


@dataclass(frozen=True, eq=False)
class Cond:
    """``state = then(state) if pred else otherwise(state)``."""

    pred: Tensor
    then: Body
    otherwise: Body


Region = For | While | Cond


def bodies_of(region: Region) -> tuple[Body, ...]:
    """The parts that were traced on their own."""
    match region:
        case For(body=body, test=None):
            return (body,)
        case For(body=body, test=test) | While(test=test, body=body):
            assert test is not None
            return (test, body)
        case Cond(then=then, otherwise=otherwise):
            return (then, otherwise)


def captured_by(region: Region) -> tuple[Tensor, ...]:
    """The tensors of the graph around that a region reads, besides the first values of its
    state."""
    found: dict[Tensor, None] = {}
    match region:
        case For(start=start, stop=stop):
            found.update({t: None for t in (start, stop) if isinstance(t, Tensor)})
        case Cond(pred=pred):
            found[pred] = None
    for body in bodies_of(region):
        members = body.members()
        inside = {*members, *body.params}
        for tensor in (*(i for t in members for i in inputs_of(t)), *body.outputs):
            if tensor not in inside and not is_unset(tensor):
                found[tensor] = None
    return tuple(found)


class RegionCall(Call):
    """A call whose program is written when it is asked for: ``region`` from the state ``init``."""

    def __init__(
        self,
        program: Program | None = None,
        inputs: tuple[Tensor, ...] = (),
        op: str = "call",
        params: tuple[tuple[str, Any], ...] = (),
        location: SourceLocation | None = None,
        on_grid: Grid | None = None,
        *,
        region: Region | None = None,
        init: tuple[Tensor, ...] = (),
    ) -> None:
        fields = {
            "_program": program, "inputs": inputs, "op": op, "params": params,
            "location": location, "on_grid": on_grid, "region": region, "init": init,
        }  # fmt: skip
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    region: Region | None
    init: tuple[Tensor, ...]
    _program: Program | None

    @property
    def program(self) -> Program:  # type: ignore[override]
        """The region as a program of its own."""
        if self._program is None:
            from .write import region_program

            object.__setattr__(self, "_program", region_program(self))
        assert self._program is not None
        return self._program

    @property
    def outputs(self) -> tuple[Buffer, ...]:
        return self.program.params[len(self.inputs) :]


def call_region(
    region: Region, init: Sequence[Tensor], names: Sequence[str], name: str,
    location: SourceLocation | None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The state after ``region`` ran from the state ``init``."""
    captured = captured_by(region)
    inputs = tuple(dict.fromkeys((*captured, *(t for t in init if not is_unset(t)))))
    op = RegionCall(None, inputs, name, (), location, region=region, init=tuple(init))
    return tuple(
        Tensor(f"{name}_{label}", t.shape, t.dtype, op, n)
        for n, (t, label) in enumerate(zip(init, names, strict=True))
    )


def param(name: str, like: Tensor) -> Tensor:
    """A placeholder for what has the shape and dtype of ``like``."""
    return Tensor(name, like.shape, like.dtype, Placeholder())


def index_param(name: str) -> Tensor:
    """A placeholder for the index of a loop."""
    return Tensor(name, (), int64, Placeholder())
