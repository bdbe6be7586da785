"""Deques and sets that objects hold: nothing puts into them at each call what a function did."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import UnsupportedError

_KINDS = (deque, set)


class Boxes:
    """The deques and sets in some ``holders``, lists and dicts, and what is in them now."""

    def __init__(self, holders: Iterable[Any]) -> None:
        values = (v for h in holders for v in (h if isinstance(h, list) else h.values()))
        self.found = [(box, box.copy()) for box in values if type(box) in _KINDS]

    def restore(self) -> bool:
        """Put back what was there; says whether anything had changed."""
        changed = [(box, old) for box, old in self.found if box != old]
        for box, old in changed:
            box.clear()
            (box.update if isinstance(box, set) else box.extend)(old)
        return bool(changed)

    def refuse_changes(self, function: str, put_back: Callable[[], None]) -> None:
        """Raise, with all put back, if anything has changed."""
        if self.restore():
            put_back()
            raise UnsupportedError(
                f"{function} changes what a deque or a set holds that an object has, which nobody "
                f"would do at another call; hold it in a list or a dict, or pass it and return it"
            )
