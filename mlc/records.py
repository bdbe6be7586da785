"""``dataclass`` as in the standard library, in a fraction of its time; ``cached_property`` without
a lock on every Python.

The standard library compiles up to seven methods from text for each class, 0.4 ms in all, which
was half of the time of ``import mlc`` and a fifth of that of a first call. Here only ``__init__``
is compiled, when there are more than a few instances, and once for all classes with as many fields;
the other methods are closures over the names of the fields. Classes mean the same, and
`dataclasses.fields`, ``replace`` and the others work on them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, FrozenInstanceError
from functools import cache, partial
from inspect import get_annotations
from operator import attrgetter
from reprlib import recursive_repr
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypeVar

Fields = dict[str, Field[Any]]
Record = TypeVar("Record")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # the names that type checkers know
    from functools import cached_property as cached_property
else:

    class cached_property:
        """See `functools.cached_property`. Before Python 3.12 that holds a lock, one for all
        instances, while a value is computed: a child forked meanwhile would wait for ever."""

        def __init__(self, function):
            self.function, self.__doc__ = function, function.__doc__

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.name] = self.function(instance)
            return value

    def dataclass(cls=None, /, *, frozen=False, eq=True, slots=False, **others):
        """See `dataclasses.dataclass`; it does the work where other options are named."""

        def make(kind: type) -> type:
            if others or _is_special(kind):
                return dataclasses.dataclass(frozen=frozen, eq=eq, slots=slots, **others)(kind)
            return _made(kind, frozen, eq, slots)

        return make if cls is None else make(cls)


class Quick:
    """The base of frozen dataclasses of which thousands are made: type checkers hold them to be
    frozen, at run time nothing does, and so they are made in a quarter of the time."""

    __slots__ = ()


def replace(record: Record, /, **changes: Any) -> Record:
    """See `dataclasses.replace`; where nothing but the fields makes an instance, it is four times
    as fast."""
    kind: Any = record.__class__
    places, values, is_quick = _plain_fields(kind)
    if not places:
        return dataclasses.replace(record, **changes)  # type: ignore[type-var]
    given = list(values(record))
    try:
        for name in changes:
            given[places[name]] = changes[name]
    except KeyError:  # which the standard library's says in words
        return dataclasses.replace(record, **changes)  # type: ignore[type-var]
    if is_quick:
        return kind(*given)  # type: ignore[no-any-return]
    made: Record = object.__new__(kind)
    made.__dict__.update(zip(places, given))
    return made


@cache
def _plain_fields(kind: Any) -> tuple[dict[str, int], Callable[[Any], Iterable[Any]], bool]:
    """The places of the fields by name, what gets their values, and whether the class may be called
    with these; of a class whose instances were made by an ``__init__`` that sets the fields to what
    it is given for each, and does no more. Of others, no places."""
    init = kind.__dict__.get("__init__")
    is_plain = (
        (
            isinstance(init, _Init)
            or getattr(init, "__globals__", {}).get("_set") is _GLOBALS["_set"]
        )
        and all(field.init for field in dataclasses.fields(kind))
        and not hasattr(kind, "__post_init__")
        and kind.__new__ is object.__new__
        and (kind.__dataclass_params__.frozen or kind.__setattr__ is object.__setattr__)
        and type(kind) is type
        and (issubclass(kind, Quick) or _has_no_slots(kind))
    )
    names = tuple(field.name for field in dataclasses.fields(kind)) if is_plain else ()
    if len(names) < 2:
        return {}, lambda _: (), False
    places = {name: place for place, name in enumerate(names)}
    return places, attrgetter(*names), kind.__setattr__ is object.__setattr__


def _has_no_slots(kind: type) -> bool:
    return not any(base.__dict__.get("__slots__") for base in kind.__mro__)


def _is_special(kind: type) -> bool:
    """Whether fields are of kinds that only the standard library's decorator knows."""
    annotations = str(_annotations(kind))
    return "InitVar" in annotations or "KW_ONLY" in annotations


def _annotations(kind: type) -> dict[str, Any]:
    """Those of the class itself, which Python before 3.14 has at hand."""
    found: dict[str, Any] | None = vars(kind).get("__annotations__")
    return get_annotations(kind) if found is None else found


def _made(kind: Any, frozen: bool, eq: bool, slots: bool) -> type:
    bases = [b for b in kind.__mro__[:0:-1] if "__dataclass_fields__" in b.__dict__]
    if bases and any(b.__dataclass_params__.frozen for b in bases) is not frozen:
        words = ("frozen", "non-frozen") if frozen else ("non-frozen", "frozen")
        raise TypeError(f"cannot inherit {words[0]} dataclass from a {words[1]} one")
    own, parameters = _own_fields(kind)
    for name, field in own.items():
        if isinstance(kind.__dict__.get(name), Field):
            if field.default is MISSING:
                delattr(kind, name)
            else:
                setattr(kind, name, field.default)
    fields: Fields = {}
    for base in bases:
        fields.update(base.__dataclass_fields__)
    fields.update(own)
    parameters.init = parameters.repr = True
    parameters.eq, parameters.frozen = eq, frozen
    kind.__dataclass_fields__, kind.__dataclass_params__ = fields, parameters
    real = dataclasses.fields(kind)
    taken = [field for field in real if field.init]
    _check_order(taken)
    _set_default(kind, "__match_args__", tuple(field.name for field in taken))
    _set_default(kind, "__repr__", _repr_over([field.name for field in real if field.repr]))
    if eq:
        key = _key_over([field.name for field in real if field.compare])
        has_hash = kind.__dict__.get("__hash__") is not None
        _set_default(kind, "__eq__", _eq_over(key))
        if not has_hash:
            kind.__hash__ = _hash_over(key) if frozen else None
    if slots:
        kind = _with_slots(kind, [field.name for field in real])
        if frozen:
            _set_default(kind, "__getstate__", _state)
            _set_default(kind, "__setstate__", _set_state)
    is_guarded = frozen and not issubclass(kind, Quick)
    if is_guarded:
        for name, method in _frozen_methods(kind, frozenset(field.name for field in real)).items():
            if name in kind.__dict__:
                raise TypeError(f"cannot overwrite attribute {name} in class {kind.__name__}")
            setattr(kind, name, method)
    _set_default(kind, "__init__", _Init(kind, real, is_guarded))
    return kind  # type: ignore[no-any-return]


def _set_default(kind: type, name: str, value: object) -> None:
    """Set an attribute, unless the class has it, not counting its bases."""
    if name not in kind.__dict__:
        if isinstance(value, FunctionType):
            value.__qualname__ = f"{kind.__qualname__}.{name}"
        setattr(kind, name, value)


def _own_fields(kind: type) -> tuple[Fields, Any]:
    """The fields that a class adds to those of its bases, and what the standard library keeps about
    the decorator's options; both as it makes them."""
    annotations = _annotations(kind)
    fields: Fields = {}
    usual, parameters = _usual()
    for name, text in annotations.items():
        made: Any = _own_field(name, text, kind.__dict__.get(name, MISSING))
        if made is None:
            return _fields_of_bare(kind, annotations)
        made._field_type = usual
        fields[name] = made
    return fields, parameters()


def _own_field(name: str, text: Any, value: Any) -> Field[Any] | None:
    """The field of one annotation; None where the standard library has to look into it."""
    if not isinstance(text, str) or "ClassVar" in text:
        return None
    made: Any = value
    if not isinstance(value, Field):
        # Descriptors give other values, and defaults that can be changed are refused.
        if hasattr(type(value), "__get__") or type(value).__hash__ is None:
            return None
        made = dataclasses.field(default=value)
    elif value.kw_only is not MISSING or type(value.default).__hash__ is None:
        return None
    made.name, made.type, made.kw_only = name, text, False
    return made  # type: ignore[no-any-return]


@cache
def _usual() -> tuple[Any, Callable[[], Any]]:
    """The kind of usual fields, and what makes the record of a decorator's options."""
    pattern: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(
        type("Pattern", (), {"__annotations__": {"first": "int"}, "__doc__": "Of one field."})
    )
    parameters: Any = pattern.__dataclass_params__
    make: Any = type(parameters)
    options = {name: getattr(parameters, name) for name in make.__slots__}
    return pattern.__dataclass_fields__["first"]._field_type, partial(make, **options)


def _fields_of_bare(kind: type, annotations: dict[str, Any]) -> tuple[Fields, Any]:
    """The same from the standard library, for a bare class of the same annotations."""
    members = {name: kind.__dict__[name] for name in annotations if name in kind.__dict__}
    members |= {"__annotations__": annotations, "__module__": kind.__module__, "__doc__": "Bare."}
    bare: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(
        type(kind.__name__, (), members)
    )
    return bare.__dataclass_fields__, bare.__dataclass_params__


def _check_order(fields: list[Field[Any]]) -> None:
    seen = False
    for field in fields:
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if seen and not has_default:
            raise TypeError(f"non-default argument {field.name!r} follows default argument")
        seen = has_default


def _repr_over(names: list[str]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:
        parts = (f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({', '.join(parts)})"

    return recursive_repr("...")(__repr__)


def _key_over(names: list[str]) -> Callable[[Any], Any]:
    """The values of the fields as a tuple."""
    if not names:
        return lambda self: ()
    if len(names) == 1:
        first = attrgetter(names[0])
        return lambda self: (first(self),)
    return attrgetter(*names)


def _eq_over(key: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    def __eq__(self: Any, other: object) -> bool:
        if other.__class__ is self.__class__:
            return key(self) == key(other)  # type: ignore[no-any-return]
        return NotImplemented

    return __eq__


def _hash_over(key: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        return hash(key(self))

    return __hash__


def _frozen_methods(kind: Any, names: frozenset[str]) -> dict[str, Callable[..., None]]:
    def __setattr__(self: Any, name: str, value: object) -> None:
        if type(self) is kind or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(kind, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is kind or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(kind, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


def _with_slots(kind: Any, names: list[str]) -> Any:
    """The class with slots for its fields, which a class must be born with."""
    if "__slots__" in kind.__dict__:
        raise TypeError(f"{kind.__name__} already specifies __slots__")
    members = {k: v for k, v in kind.__dict__.items() if k not in ("__dict__", "__weakref__")}
    inherited = {slot for base in kind.__mro__[1:] for slot in base.__dict__.get("__slots__", ())}
    for name in names:
        members.pop(name, None)
    members["__slots__"] = tuple(name for name in names if name not in inherited)
    made = type(kind)(kind.__name__, kind.__bases__, members)
    made.__qualname__ = kind.__qualname__
    return made


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


class _Init:
    """The ``__init__`` of a class until it has more than a few instances, which most never have: to
    compile one takes as long as this takes for a hundred. Who looks at it in the class gets the
    compiled one."""

    def __init__(self, kind: Any, fields: tuple[Field[Any], ...], frozen: bool) -> None:
        self.kind, self.fields, self.frozen = kind, fields, frozen
        self.made: Callable[..., None] | None = None
        self.names = [field.name for field in fields if field.init]
        self.defaults = tuple(f.default for f in fields if f.default is not MISSING)
        self.left = -1  # instances to come before it is compiled; not known before the first
        self.is_direct = False  # whether they hold what they are given in a dict, and no more

    @property
    def is_plain(self) -> bool:
        """Whether it sets each field to what it is given, or to the default."""
        return all(field.init and field.default_factory is MISSING for field in self.fields)

    def __get__(self, one: Any, owner: Any = None) -> Callable[..., None]:
        if one is None:
            return self._compiled()
        if self.left < 0:
            key = len(self.fields), self.frozen, hasattr(self.kind, "__post_init__")
            self.left = 0 if self.is_plain and key in _patterns else _FEW
            self.is_direct = self.is_plain and not key[2] and self.kind.__dictoffset__ != 0
        if not self.left:
            return MethodType(self._compiled(), one)
        self.left -= 1
        return partial(self._fill, one)

    def _compiled(self) -> Callable[..., None]:
        if self.made is None:
            self.made = _init(self.kind, self.fields, self.frozen)
        if self.kind.__dict__.get("__init__") is self:
            self.kind.__init__ = self.made
        return self.made

    def _fill(self, one: Any, /, *args: Any, **kwargs: Any) -> None:
        names = self.names
        missing = len(names) - len(args)
        if self.is_direct and not kwargs and 0 <= missing <= len(self.defaults):
            one.__dict__.update(zip(names, (args + self.defaults[-missing:]) if missing else args))
            return None
        values = {**dict(zip(names, args)), **kwargs}
        fits = len(values) == len(args) + len(kwargs) and kwargs.keys() <= set(names)
        for field in self.fields:
            if field.name in values:
                continue
            if field.default_factory is not MISSING:
                values[field.name] = field.default_factory()
            elif field.default is MISSING:
                fits = fits and not field.init
            elif field.init or "__slots__" in self.kind.__dict__:
                values[field.name] = field.default
        if not fits:
            return self._compiled()(one, *args, **kwargs)  # which says what is wrong
        put = object.__setattr__ if self.frozen else setattr
        for field in self.fields:
            if field.name in values:
                put(one, field.name, values[field.name])
        if hasattr(self.kind, "__post_init__"):
            one.__post_init__()
        return None


_FEW = 32


def _init(kind: Any, fields: tuple[Field[Any], ...], frozen: bool) -> Callable[..., None]:
    if all(field.init and field.default_factory is MISSING for field in fields):
        made = _init_like_others(kind, [field.name for field in fields], frozen)
        made.__defaults__ = tuple(f.default for f in fields if f.default is not MISSING) or None
    else:
        made = _init_of_its_own(kind, fields, frozen)
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    made.__annotations__ = {"return": None}
    return made


def _init_like_others(kind: Any, names: list[str], frozen: bool) -> FunctionType:
    """The ``__init__`` of another class with as many fields, under these names."""
    code = _pattern(len(names), frozen, hasattr(kind, "__post_init__"))
    new = {f"f{n}": name for n, name in enumerate(names)}
    code = code.replace(
        co_varnames=tuple(new.get(name, name) for name in code.co_varnames),
        co_names=tuple(new.get(name, name) for name in code.co_names),
        co_consts=tuple(new.get(value, value) for value in code.co_consts),
    )
    return FunctionType(code, _GLOBALS, "__init__")


_GLOBALS: dict[str, Any] = {"_set": object.__setattr__, "__name__": __name__}


_patterns: dict[tuple[int, bool, bool], CodeType] = {}


def _pattern(count: int, frozen: bool, has_post_init: bool) -> CodeType:
    key = count, frozen, has_post_init
    if key not in _patterns:
        names = [f"f{n}" for n in range(count)]
        lines = [_assignment(name, name, frozen) for name in names]
        _patterns[key] = _compiled(names, lines, has_post_init).__code__
    return _patterns[key]


def _assignment(name: str, value: str, frozen: bool) -> str:
    return f"_set(_self, {name!r}, {value})" if frozen else f"_self.{name} = {value}"


def _compiled(
    heads: list[str], lines: list[str], has_post_init: bool, values: dict[str, Any] | None = None
) -> FunctionType:
    if has_post_init:
        lines = [*lines, "_self.__post_init__()"]
    body = "\n ".join(lines or ["pass"])
    made: dict[str, Any] = {}
    exec(
        f"def __init__({', '.join(['_self', *heads])}):\n {body}",
        {**_GLOBALS, **(values or {})},
        made,
    )
    function: FunctionType = made["__init__"]
    return function


def _init_of_its_own(kind: Any, fields: tuple[Field[Any], ...], frozen: bool) -> FunctionType:
    values: dict[str, Any] = {"_absent": MISSING}
    heads, lines = [], []
    slots = "__slots__" in kind.__dict__
    for field in fields:
        name = value = field.name
        if field.default is not MISSING:
            values[f"_default_{name}"] = field.default
            head = f"{name}=_default_{name}"
        elif field.default_factory is not MISSING:
            values[f"_make_{name}"] = field.default_factory
            head = f"{name}=_absent"
            value = f"_make_{name}()"
            if field.init:
                value += f" if {name} is _absent else {name}"
        else:
            head = name
        if field.init:
            heads.append(head)
        elif field.default is not MISSING and slots:
            value = f"_default_{name}"
        elif field.default_factory is MISSING:
            continue
        lines.append(_assignment(name, value, frozen))
    return _compiled(heads, lines, hasattr(kind, "__post_init__"), values)
