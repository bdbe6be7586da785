"""Functions of NumPy that ask no more of complex numbers than which of them are 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import call_function
from .calls import FUNCTIONS, is_complex, stands_for, truth

_chosen_by_parts, _compressed_by_parts = FUNCTIONS[np.where], FUNCTIONS[np.compress]


@stands_for(np.any)
def any(a: Any, axis: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """np.any."""
    return call_function(np.any, (truth(a), axis), kwargs)


@stands_for(np.all)
def all(a: Any, axis: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """np.all."""
    return call_function(np.all, (truth(a), axis), kwargs)


@stands_for(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """np.count_nonzero."""
    return call_function(np.count_nonzero, (truth(a), axis), {"keepdims": keepdims})


@stands_for(np.nonzero)
def nonzero(a: Any, **options: Any) -> Any:
    """np.nonzero."""
    return call_function(np.nonzero, (truth(a),), options)


@stands_for(np.flatnonzero)
def flatnonzero(a: Any, **options: Any) -> Any:
    """np.flatnonzero."""
    return call_function(np.flatnonzero, (truth(a),), options)


@stands_for(np.argwhere)
def argwhere(a: Any, **options: Any) -> Any:
    """np.argwhere."""
    return call_function(np.argwhere, (truth(a),), options)


@stands_for(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None, **options: Any) -> Any:
    """np.compress."""
    if not is_complex(a):
        return call_function(np.compress, (truth(condition), a, axis), options)
    return _compressed_by_parts(truth(condition), a, axis, **options)


@stands_for(np.extract)
def extract(condition: Any, arr: Any, **options: Any) -> Any:
    """np.extract."""
    return np.compress(np.ravel(truth(condition)), np.ravel(arr), **options)


@stands_for(np.where)
def where(condition: Any, *values: Any) -> Any:
    """np.where."""
    if not values:
        return np.nonzero(truth(condition))
    if not is_complex(list(values)):
        return call_function(np.where, (truth(condition), *values), {})
    return _chosen_by_parts(truth(condition), *values)
