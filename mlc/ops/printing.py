"""``print`` in compiled code: an operator that tells Python what the values are."""

from __future__ import annotations

from typing import Any

from ..dtypes import int64
from ..ir.printing import print_name
from .broadcast import as_tensor
from .op import op
from .programs import Writer


@op
def printed(count: Any, *values: Any, site: int) -> Any:
    """How many prints there were with this one, number ``site`` of the function, which shows
    ``values``. ``count``, int64 of shape (1,), says how many there were before: so they come one
    after the other."""
    tensors = [as_tensor(value) for value in (count, *values)]
    w = Writer("print")
    before, *shown = [w.input(f"v{n}", t.shape, t.dtype) for n, t in enumerate(tensors)]
    after = w.output("after", (1,), int64)
    w.run(print_name(site, len(shown)), *shown, after, 0)
    w.store(after, (0,), before[0] + 1)
    return w.call(*tensors)
