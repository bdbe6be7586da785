"""Which arrays in a loop or branch wait until they are read, and are computed there: in the memory
that they are written to, or as a part of another array's expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir.expr import Apply, Cast, Expr, Load, Select, Var
from ..ir.rewrite import loads_of, postorder
from ..te.extent import is_open
from ..te.tensor import Compute, Tensor
from .evaluations import is_movement, points_of
from .nests import shortened, step_of
from .update import find_update

if TYPE_CHECKING:
    from .write import Writer

NEVER = 1 << 60  # the position of what comes after all statements
_DEEPEST = 40  # operations at most in an expression that is written where it is read
_SHALLOW = 3  # operations at most in one that is written at several places
_QUICK = frozenset({"add", "sub", "mul", "neg", "abs", "maximum", "minimum"})


def is_lazy(w: Writer, op: Compute, tensor: Tensor) -> bool:
    """Whether a tensor is best computed where it is read."""
    depth = _depth(w, tensor)
    if depth > _DEEPEST:
        return False
    users = w.users.get(tensor, [])
    body = op.body[tensor.index]
    if is_movement(body):
        return True
    if w.last[tensor] == NEVER:
        return not users
    if _is_written_first(w, tensor):
        return True
    if len(users) > 1 and not (
        _is_quick_in_all(w, tensor)
        and _is_in_rows(w, tensor)
        and not any(_changes(w, user, tensor) for user in users)
    ):
        return False
    return all(isinstance(u, Compute) and points_of(u) <= tensor.size for u in users)


def _depth(w: Writer, tensor: Tensor) -> int:
    """How many operations the expression of ``tensor`` has where it is written out: as many as are
    looked at, if they are more than any may have."""
    count, stack = 0, [tensor]
    while stack and count <= _DEEPEST:
        count += 1
        stack.extend(t for t in stack.pop().inputs if t in w.pending and t not in w.stored)
    return count


def _is_quick(body: Expr) -> bool:
    """Whether an element takes no longer to compute than to store and to load."""
    operations = loads = 0
    for node in postorder(body):
        if isinstance(node, Load):
            loads += 1
        elif isinstance(node, (Apply, Select, Cast)) and node.dtype.is_float:
            operations += 1
            if isinstance(node, Cast) or isinstance(node, Apply) and node.fn not in _QUICK:
                return False
    return operations <= 2 and loads <= 2


def _is_quick_in_all(w: Writer, tensor: Tensor) -> bool:
    """The same of ``tensor`` with all that is pending in its expression."""
    operations, stack = 0, [tensor]
    while stack:
        here = stack.pop()
        assert isinstance(here.op, Compute)
        body = here.op.body[here.index]
        if not is_movement(body):
            operations += 1
            if operations > _SHALLOW or not _is_quick(body):
                return False
        stack.extend(t for t in here.inputs if t in w.pending and t not in w.stored)
    return True


def _changes(w: Writer, user: Any, tensor: Tensor) -> bool:
    """Whether ``user`` writes to a part of ``tensor``, which is best done in its memory."""
    update = find_update(user, w.made[user][0]) if isinstance(user, Compute) else None
    return update is not None and update.old is tensor


def _is_in_rows(w: Writer, tensor: Tensor) -> bool:
    """Whether memory is read element after element for a row of ``tensor``: what lies apart is dear
    to load, and so is loaded once."""
    point = [Var(f"i{d}") for d in range(tensor.ndim)]
    value = shortened(w.element(tensor, point), w.ranges)
    steps = {step_of(n.source, n.indices, point[-1]) for n in loads_of(value)}
    return steps <= {0, 1}


def _is_written_first(w: Writer, tensor: Tensor) -> bool:
    """Whether a tensor is written to a part of an array before anybody needs its elements."""
    if is_open(tensor.shape):
        return False
    users = w.users[tensor]
    until = next((w.position[u] for u in users if _writes(w, u, tensor)), None)
    if until is None:
        return False
    known: dict[Any, bool] = {}
    return all(_waits(w, u, until, known) for u in users if w.position[u] < until)


def _writes(w: Writer, user: Any, tensor: Tensor) -> bool:
    """Whether ``user`` writes ``tensor``, as it is, to a part of an array."""
    if not isinstance(user, Compute) or user.reduction is not None:
        return False
    update = find_update(user, w.made[user][0])
    return (
        update is not None
        and update.is_partial
        and not update.tests
        and isinstance(update.fresh, Load)
        and update.fresh.source is tensor
    )


def _waits(w: Writer, op: Any, until: int, known: dict[Any, bool]) -> bool:
    """Whether nothing of ``op`` is computed before the statement at the position ``until``."""
    if op not in known:
        known[op] = isinstance(op, Compute) and op.reduction is None and all(
            _is_kept_until(w, op, tensor, until, known) for tensor in w.made[op]
        )  # fmt: skip
    return known[op]


def _is_kept_until(
    w: Writer, op: Compute, tensor: Tensor, until: int, known: dict[Any, bool]
) -> bool:
    users, body = w.users.get(tensor, []), op.body[tensor.index]
    if not tensor.shape or w.last[tensor] == NEVER or find_update(op, tensor) is not None:
        return False
    if not (is_movement(body) or len(users) == 1 or _is_quick(body)):
        return False
    return all(
        isinstance(u, Compute) and points_of(u) <= tensor.size
        and (w.position[u] >= until or _waits(w, u, until, known))
        for u in users
    )  # fmt: skip
