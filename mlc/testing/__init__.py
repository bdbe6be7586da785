"""What to test one's own functions, operators and schedules with.

::

    import mlc.testing

    def test_layer():
        mlc.testing.check_against_numpy(layer, x, w, b)   # jitted, it does what NumPy does

    def test_my_operator():
        mlc.testing.check_op(window_sum, reference, shapes=["n"], sizes={"n": (3, 9)})

    def test_my_gradient():
        mlc.testing.check_gradients(loss, x, w, gradient=loss_gradient)

    @given(mlc.testing.programs().flatmap(mlc.testing.schedules))
    def test_my_pass(schedule):
        mlc.testing.check_schedule(schedule.original, schedule)

``arrays``, ``shapes``, ``broadcastable_shapes``, ``dtypes``, ``layouts``, ``index_expressions``,
``programs`` and ``schedules`` are strategies for hypothesis, which is imported when one is asked
for. What fails is printed as a test to paste. See docs/testing.md.
"""

from __future__ import annotations

from .against_numpy import check_against_numpy, check_op
from .arrays import (
    arrays,
    broadcastable_shapes,
    dtypes,
    index_expressions,
    layouts,
    numbers,
    shapes,
)
from .checking import check_schedule
from .gradients import check_gradients
from .strategies import programs, schedules
from .trying import check_schedules

__all__ = [
    "arrays",
    "broadcastable_shapes",
    "check_against_numpy",
    "check_gradients",
    "check_op",
    "check_schedule",
    "check_schedules",
    "dtypes",
    "index_expressions",
    "layouts",
    "numbers",
    "programs",
    "schedules",
    "shapes",
]


def __getattr__(name: str) -> object:
    from ..synonyms import hint

    near = hint("mlc.testing", name, __all__, "mlc.testing.")
    raise AttributeError(f"module 'mlc.testing' has no attribute {name!r}{near}")
