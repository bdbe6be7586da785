"""What NumPy's arrays have and traced ones have not: what to do instead."""

from __future__ import annotations

from typing import NoReturn

from ..errors import UnsupportedError

IN_PLACE = {
    "resize": "np.reshape(x, shape)",
    "itemset": "np.where(mask, new, x)", "setfield": "np.where(mask, new, x)",
}  # fmt: skip
_ELSEWHERE = {
    "tobytes": "return the array and call .tobytes() on the result",
    "tofile": "return the array and save the result",
    "dump": "return the array and save the result",
    "byteswap": "swap bytes outside",
    **dict.fromkeys(("data", "ctypes", "base"), "a traced value has no memory"),
}


def refuse_attribute(name: str) -> NoReturn:
    """Say why a traced array has no attribute ``name``."""
    if name in IN_PLACE:
        raise UnsupportedError(
            f"x.{name}() changes an array in place and cannot be traced; use x = {IN_PLACE[name]}"
        )
    if name in _ELSEWHERE:
        raise UnsupportedError(f"x.{name} cannot be traced; {_ELSEWHERE[name]}")
    raise AttributeError(
        f"a traced value has no attribute {name!r}; it has those of a NumPy array that do not "
        f"depend on the data"
    )
