"""Lists and dicts among the arguments whose items a function sets: ``out.append(x)``.

While tracing, a function gets copies of them. What they hold in the end is returned beside the
results, and the caller's own get it after each call::

    def f(params, g):                                  f(params, g):
        params["w"] = params["w"] - g        ->            v = params["w"] - g
        return g.sum()                                     return g.sum(), [{"w": v}]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import UnsupportedError
from .grown import is_arrays

_BOXES = (list, tuple, dict)
_NUMBERS = frozenset((bool, int, float))
Path = tuple[Any, ...]  # the number or name of an argument, and keys


class _Same:
    """Stands for the caller's own list or dict at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path


class Kept:
    """Stands for a list of ``rows``, the first of which are lists of the caller's."""

    def __init__(self, rows: Any, paths: tuple[Any, ...]) -> None:
        self.rows, self.paths = rows, paths


class Refills:
    """The lists and dicts that a function gets, and what they hold when it begins."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[Path, Any, Any]] = {}
        self.changed: tuple[Path, ...] = ()

    def note(self, place: Any, made: Any) -> None:
        """Remember what the argument ``place`` holds."""
        for path, box in containers(made, (place,)):
            self._held[id(box)] = path, box, _content(box)

    def returned(self, value: Any) -> Any:
        """``value``, what the function returns, with what changed beside it."""
        changed = [(path, box, old) for path, box, old in self._held.values()
                   if not _is_same(box, old)]  # fmt: skip
        self.changed = tuple(path for path, _, _ in changed)
        if not changed:
            return value
        return self._marked(value), [self._filling(box, old) for _, box, old in changed]

    def _filling(self, box: Any, old: Any) -> Any:
        """What ``box`` holds, which held ``old``."""
        if isinstance(box, dict):
            return {key: self._marked(item) for key, item in box.items()}
        if not is_arrays(box):
            return [self._marked(item) for item in box]
        if box.pool is None and box.kind is not None and box.kind.pool is not None:
            return Kept(box, tuple(map(self._marked, old)))
        return box

    def _marked(self, value: Any) -> Any:
        if id(value) in self._held:
            return _Same(self._held[id(value)][0])
        kind = type(value)
        if kind in (list, tuple):
            return kind(map(self._marked, value))
        return {k: self._marked(v) for k, v in value.items()} if kind is dict else value


def refilled(
    changed: tuple[Path, ...], result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What the function returned, after the lists and dicts at ``changed`` got their items."""
    if not changed:
        return result
    value, contents = result
    given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
    boxes = [_at(given, path) for path in changed]
    fresh = [_own(content, given) for content in contents]
    value = _own(value, given)
    for box, content in zip(boxes, fresh, strict=True):
        if isinstance(box, dict):
            box.clear()
            box.update(content)
        else:
            box[:] = content
    return value


def check_apart(
    changed: tuple[Path, ...], function: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Raise if a list or dict that will change is passed in several places: each was a copy."""
    if not changed:
        return
    given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
    met: dict[int, int] = {}
    for place, value in given.items():
        for _, box in containers(value, (place,)):
            met[id(box)] = met.get(id(box), 0) + 1
    for path in changed:
        if met.get(id(_at(given, path)), 0) > 1:
            raise UnsupportedError(
                f"{function} changes what a {type(_at(given, path)).__name__} holds that it gets "
                f"in several places; pass a copy in all places but one"
            )


def containers(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The lists and dicts in ``value``, with their paths."""
    if isinstance(value, (list, dict)):
        yield path, value
    if isinstance(value, (list, tuple)):
        if not _NUMBERS.issuperset(map(type, value)):
            for n, item in enumerate(value):
                if isinstance(item, _BOXES):
                    yield from containers(item, (*path, n))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from containers(item, (*path, key))


def _content(box: Any) -> Any:
    return dict(box) if isinstance(box, dict) else list(box)


def _is_same(box: Any, old: Any) -> bool:
    if is_arrays(box):
        return not box.has_changed()
    if len(box) != len(old):
        return False
    if isinstance(box, dict):
        return list(box) == list(old) and all(box[key] is item for key, item in old.items())
    return all(a is b for a, b in zip(box, old))


def _at(given: Any, path: Path) -> Any:
    for key in path:
        given = given[key]
    return given


def _own(value: Any, given: Any) -> Any:
    """``value`` with the caller's own lists and dicts."""
    kind = type(value)
    if kind is _Same:
        return _at(given, value.path)
    if kind in (list, tuple):
        if _NUMBERS.issuperset(map(type, value)):
            return value
        return kind([_own(item, given) for item in value])
    return {key: _own(item, given) for key, item in value.items()} if kind is dict else value
