"""Loops that are over after their first iteration, whatever the data are.

::

    for i, p in enumerate(x):
        if i == 0:              the break is met at once: what follows it never runs, and the
            break               variables it would bind stay what they were, Python's numbers
        s = s + p               included
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..te.evaluate import evaluate
from ..te.tensor import Compute, Constant, Tensor
from .plan import Carried, NotNative
from .region import Cond, RegionCall, inputs_of

_MOST_STEPS = 64  # tensors that lead to whether a loop goes on, where it is known

Known = Mapping[Tensor, Any]


class LeavesAtOnceError(NotNative):
    """A loop whose first iteration is known to be its last."""


def check_goes_on(index: Tensor, first: int, carried: Carried, goes: Tensor) -> None:
    """LeavesAtOnceError if ``goes``, whether the loop over ``index`` from ``first`` on goes on, is
    known to be false after the first iteration."""
    begun = dict(zip(carried.params, map(_Known().value, carried.init)))
    first_known = _Known({**begun, index: np.asarray(first, index.dtype.numpy)})
    ends = {p: first_known.value(end) for p, end in zip(carried.params, carried.ends[0])}
    goes_on = _Known(ends).value(goes)
    if goes_on is not None and not goes_on:
        raise LeavesAtOnceError("the loop is over after its first iteration")


class _Known:
    """What follows from the tensors that are ``known``, None for those that data decide."""

    def __init__(self, known: Known | None = None) -> None:
        self.known = dict(known or {})
        self.most = len(self.known) + _MOST_STEPS

    def value(self, tensor: Tensor) -> Any:
        """The scalar ``tensor``; None where it is not known, or no scalar."""
        if tensor in self.known:
            return self.known[tensor]
        found = None
        if not tensor.shape and len(self.known) < self.most:
            self.known[tensor] = None
            found = self._found(tensor)
        self.known[tensor] = found
        return found

    def _found(self, tensor: Tensor) -> Any:
        match tensor.op:
            case Constant(array=array):
                return array
            case RegionCall(region=Cond(pred=pred, then=then, otherwise=otherwise), init=init):
                holds = self.value(pred)
                if holds is None:
                    return None
                side = then if holds else otherwise
                begun = dict(zip(side.params, map(self.value, init)))
                return _Known({**self.known, **begun}).value(side.outputs[tensor.index])
            case Compute():
                sources = {source: self.value(source) for source in inputs_of(tensor)}
                if any(value is None for value in sources.values()):
                    return None
                return evaluate([tensor], sources)[0]
        return None
