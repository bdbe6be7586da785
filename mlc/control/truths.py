"""What Python's ``bool()`` says of values that data decide about."""

from __future__ import annotations

from typing import Any

from ..tracer.chosen import Chosen
from ..tracer.grown import is_arrays
from ..tracer.number import copied_number
from ..tracer.tracer import mark_weak
from .perhaps import Perhaps


def truth(value: Any) -> Any:
    """``bool(value)``, traced, of a list that is arrays, of a text that data choose, and of what
    may be None; else ``value``."""
    if type(value) is Chosen:
        return value.is_something()
    if type(value) is Perhaps:
        from .logic import and_, not_

        return and_(value._mlc_bound, lambda: not_(not_(value._mlc_value)))
    return mark_weak(copied_number(value.length() > 0)) if is_arrays(value) else value
