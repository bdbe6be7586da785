"""What the user calls a traced value: the local name that it is about to be assigned to."""

from __future__ import annotations

import dis
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

from ..errors import is_user_frame, user_frame
from ..te.tensor import Compute, Tensor
from .asking import position
from .trace import FunctionTrace

_STORES = frozenset({
    "STORE_FAST", "STORE_DEREF", "STORE_NAME", "STORE_GLOBAL", "STORE_FAST_LOAD_FAST",
})  # fmt: skip
_RETURNED = "return"


class NamingTrace(FunctionTrace):
    """A trace in which ``Y = a @ b`` names its tensor ``Y``. What is returned or used right away
    keeps the name of its operator, and so does what an operator makes on its way."""

    __slots__ = ("_codes", "_places")

    def __init__(self, name: str, captures: Any = None) -> None:
        super().__init__(name, captures)
        self._codes: dict[CodeType, dict[int, str]] = {}
        self._places: dict[tuple[FrameType, int], tuple[Tensor, str, str]] = {}

    def wrap(self, tensor: Tensor) -> Any:
        frame = user_frame()
        wanted = None if frame is None else self._assigned(frame)
        if frame is not None and wanted is not None and isinstance(tensor.op, Compute):
            place = (frame, position(frame))
            before = self._places.get(place)
            if before is not None and before[0] is not tensor:
                earlier, operator, label = before
                held = frame.f_locals.get(label)
                if getattr(held, "_tensor", None) is not earlier:  # it was but a step to this one
                    earlier.name = operator
            if before is None or before[0] is not tensor:
                self._places[place] = (tensor, tensor.name, wanted)
                tensor.name = wanted
        return super().wrap(tensor)

    def forget(self) -> None:
        super().forget()
        self._places.clear()

    def _assigned(self, frame: FrameType) -> str | None:
        """The name that the instruction after the current one assigns to; where that returns, what
        the user's caller assigns the result to."""
        wanted = self._after(frame).get(position(frame))
        while wanted == _RETURNED and frame.f_back is not None and is_user_frame(frame.f_back):
            frame = frame.f_back
            wanted = self._after(frame).get(position(frame))
        return None if wanted == _RETURNED else wanted

    def _after(self, frame: FrameType) -> dict[int, str]:
        """What happens to the result of each instruction, by every offset in it: an interpreter may
        stand at the caches behind a call."""
        code = frame.f_code
        found = self._codes.get(code)
        if found is None:
            found = self._codes[code] = {}
            steps = (s for s in dis.get_instructions(code) if s.opcode != dis.EXTENDED_ARG)
            for at, after in pairwise(steps):
                if after.opname in _STORES:
                    value = after.argval
                    target = value[0] if isinstance(value, tuple) else str(value)
                elif after.opname == "RETURN_VALUE":
                    target = _RETURNED
                else:
                    continue
                found.update(dict.fromkeys(range(at.offset, after.offset), target))
        return found
