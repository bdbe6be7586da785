"""What type checkers see of :func:`mlc.jit`: a jitted function has the signature of the function
that it was made from. Nothing of this runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from .lowered import CacheInfo, Lowered

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Jitted(Protocol[P, R_co]):
    """A function compiled by :func:`mlc.jit`."""

    __name__: str

    @property
    def __wrapped__(self) -> Callable[P, R_co]: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(self, *args: Any, out: Any, **kwargs: Any) -> R_co: ...
    @overload
    def __get__(self, instance: None, owner: type, /) -> Jitted[P, R_co]: ...
    @overload
    def __get__(
        self: Jitted[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None, /
    ) -> Jitted[Q, R_co]: ...
    def lower(self, *args: P.args, **kwargs: P.kwargs) -> Lowered: ...
    def tune(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    def cache_info(self) -> CacheInfo: ...
    def clear_cache(self) -> None: ...
    @property
    def best_schedule(self) -> Any: ...


class Jit(Protocol):
    """:func:`mlc.jit`, with a function and without one."""

    @overload  # of staticmethods, which can be called, too
    def __call__(  # type: ignore[overload-overlap]
        self, function: staticmethod[P, R], *, target: str = "cpu",
        static_argnames: str | Iterable[str] = (), static_argnums: int | Iterable[int] = (),
        dynamic: Any = None, precision: str | None = None,
    ) -> staticmethod[P, R]: ...  # fmt: skip
    @overload
    def __call__(
        self, function: classmethod[T, P, R], *, target: str = "cpu",
        static_argnames: str | Iterable[str] = (), static_argnums: int | Iterable[int] = (),
        dynamic: Any = None, precision: str | None = None,
    ) -> classmethod[T, P, R]: ...  # fmt: skip
    @overload
    def __call__(
        self, function: Callable[P, R], *, target: str = "cpu",
        static_argnames: str | Iterable[str] = (), static_argnums: int | Iterable[int] = (),
        dynamic: Any = None, precision: str | None = None,
    ) -> Jitted[P, R]: ...  # fmt: skip
    @overload
    def __call__(
        self, function: None = None, *, target: str = "cpu",
        static_argnames: str | Iterable[str] = (), static_argnums: int | Iterable[int] = (),
        dynamic: Any = None, precision: str | None = None,
    ) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...  # fmt: skip


jit: Jit
