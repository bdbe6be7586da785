"""`mlc.records.dataclass` makes what the standard library's decorator makes."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import inspect
import pickle
import pkgutil
import threading
import types
import typing
from dataclasses import FrozenInstanceError, InitVar, field
from typing import Any, ClassVar

import numpy as np
import pytest

import mlc
from mlc import records
from mlc.ir.expr import Expr
from mlc.script.values import Value
from mlc.tracer.complex.value import Complex
from mlc.tracer.masked import Masked
from mlc.tracer.tracer import Tracer

OPTIONS: list[dict[str, bool]] = [
    {"frozen": frozen, "eq": eq, "slots": slots}
    for frozen in (False, True)
    for eq in (False, True)
    for slots in (False, True)
]


def classes(decorator: Any, options: dict[str, bool]) -> tuple[Any, Any]:
    """A class with fields of all kinds, and one derived from it."""

    @decorator(**options)
    class Base:
        """A base."""

        kind: ClassVar[str] = "base"
        a: int
        b: str = "x"
        c: list[int] = field(default_factory=list, compare=False)
        d: float = field(default=1.5, repr=False)
        e: int = field(default=7, init=False)

        def twice(self) -> int:
            return 2 * self.a

    @decorator(**options)
    class Derived(Base):
        b: str = "y"
        f: tuple[int, ...] = ()
        seen: list[int] = field(default_factory=list, init=False, compare=False)

        def __post_init__(self) -> None:
            self.seen.append(self.a)

    return Base, Derived


def what_it_does(kind: Any) -> list[Any]:
    """What can be seen of a class and its instances, without their identity."""
    one, same, other = kind(1), kind(a=1, c=[2]), kind(2, "z", d=0.0)
    shown = [
        repr(one).replace("mlc", ""), one == same, one == other, one == 1, one.twice(), one.e,
        [f.name for f in dataclasses.fields(kind)], kind.__match_args__, kind.__doc__ == "A base.",
        dataclasses.asdict(other), kind.__hash__ is None, kind.__eq__ is object.__eq__,
        dataclasses.replace(copy.copy(one), b="q").b, kind.kind, kind.__dataclass_params__.frozen,
        hasattr(one, "__dict__"), str(inspect.signature(kind.__init__)).count("=") > 0,
        [(f.name, f.type) for f in dataclasses.fields(kind)],
    ]  # fmt: skip
    if kind.__hash__ is not None and kind.__eq__ is not object.__eq__:
        shown.append(hash(one))
    for call in (kind, lambda: kind(1, nothing=2), lambda: kind(1, "b", [], 2.0, 3, 4, 5)):
        with pytest.raises(TypeError) as caught:
            call()
        shown.append(str(caught.value).replace("_self", "self"))
    for change in (lambda: setattr(one, "a", 3), lambda: delattr(one, "b")):
        try:
            change()
            shown.append(getattr(one, "a"))  # noqa: B009
        except FrozenInstanceError as error:
            shown.append(str(error))
    return shown


@pytest.mark.parametrize("few", [0, 2, 32])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_same_as_the_standard_library(
    options: dict[str, bool], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_FEW", few)  # instances made before `__init__` is compiled
    monkeypatch.setattr(records, "_patterns", {})
    ours = classes(records.dataclass, options)
    theirs = classes(dataclasses.dataclass, options)
    for our, their in zip(ours, theirs, strict=True):
        assert what_it_does(our) == what_it_does(their)
        assert set(vars(our)) - set(vars(their)) == set()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_many_instances_are_made_as_the_first_ones(options: dict[str, bool]) -> None:
    _, kind = classes(records.dataclass, options)
    made = [kind(n, *["b", [n], 0.5, (n,)][: n % 5]) for n in range(2 * records._FEW)]
    assert isinstance(kind.__dict__["__init__"], types.FunctionType)
    assert [m.a for m in made] == list(range(2 * records._FEW))
    assert {repr(m).replace(str(m.a), "n") for m in made[10:20]} == {
        repr(m).replace(str(m.a), "n") for m in made[-20:-10]
    }
    # Fields that are given twice, or not at all: as the compiled one says it.
    for args, kwargs in [((), {}), ((1,), {"a": 2}), ((1,), {"z": 2}), (range(6), {})]:
        _, fresh = classes(records.dataclass, options)
        with pytest.raises(TypeError) as late:
            kind(*args, **kwargs)
        with pytest.raises(TypeError) as early:
            fresh(*args, **kwargs)
        assert str(late.value) == str(early.value)


def described(kind: Any) -> list[tuple[Any, ...]]:
    """All that is known of the fields of a class."""
    names = ("name", "type", "default", "init", "repr", "hash", "compare", "kw_only", "_field_type")
    return [
        (*(getattr(f, name) for name in names), f.default_factory, dict(f.metadata))
        for f in dataclasses.fields(kind)
    ]


class Reading:
    """A descriptor: a class shows another value than what was put into it."""

    def __get__(self, one: Any, kind: Any) -> int:
        return 3


def odd_classes(decorator: Any) -> list[Any]:
    """Classes whose fields are given in unusual ways."""

    @decorator
    class Many:
        a: int = field(metadata={"unit": "m"})
        b: int = field(default=2, hash=False, compare=True)
        c: Any = None
        d: Any = field(default_factory=dict, repr=False)

    @decorator
    class Described:
        a: Any = Reading()

    @decorator
    class Later:
        a: int = field(default=1, kw_only=True)

    real = type("Real", (), {"__annotations__": {"a": int, "b": str}, "b": "x"})
    counted = type("Counted", (), {"__annotations__": {"n": ClassVar[int], "a": "int"}, "n": 1})
    return [Many, Described, Later, decorator(real), decorator(counted)]


def test_fields_are_described_as_the_standard_library_does() -> None:
    ours, theirs = odd_classes(records.dataclass), odd_classes(dataclasses.dataclass)
    for our, their in zip(ours, theirs, strict=True):
        assert described(our) == described(their)
        mine, its = our.__dataclass_params__, their.__dataclass_params__
        assert {n: getattr(mine, n) for n in type(mine).__slots__ if n != "match_args"} == {
            n: getattr(its, n) for n in type(its).__slots__ if n != "match_args"
        }
        assert our.__dataclass_params__ is not ours[0].__dataclass_params__ or our is ours[0]


@pytest.mark.parametrize("value", [[], {}, set()], ids=str)
@pytest.mark.parametrize("wrapped", [False, True])
def test_defaults_that_can_change_are_refused(value: Any, wrapped: bool) -> None:
    said = []
    for decorator in (records.dataclass, dataclasses.dataclass):
        given = field(default=value) if wrapped else value
        members = {"__annotations__": {"a": "list[int]"}, "a": given}
        with pytest.raises(ValueError, match="mutable default") as caught:
            decorator(type("Shared", (), members))
        said.append(str(caught.value))
    assert said[0] == said[1]


@records.dataclass(frozen=True, slots=True)
class Kept:
    """At the top of a module, for pickle."""

    a: int
    b: Kept | None = None


def test_pickle_of_frozen_slots() -> None:
    value = Kept(1, Kept(2))
    again = pickle.loads(pickle.dumps(value))
    assert again == value and hash(again) == hash(value) and again.b == Kept(2)
    match again:
        case Kept(a, Kept(inner)):
            assert (a, inner) == (1, 2)
        case _:
            pytest.fail("the fields are positional patterns")


def test_a_value_that_holds_itself_is_shown() -> None:
    @records.dataclass
    class Node:
        next: Any = None

    node = Node()
    node.next = node
    assert repr(node).endswith("Node(next=...)")


def test_what_is_written_out_stays() -> None:
    @records.dataclass(frozen=True)
    class Own:
        a: int

        def __repr__(self) -> str:
            return "mine"

        def __hash__(self) -> int:
            return 5

        def __eq__(self, other: object) -> bool:
            return True

    assert (repr(Own(1)), hash(Own(1)), Own(1) == 3) == ("mine", 5, True)


def test_initialisers_of_bases_are_found() -> None:
    @records.dataclass
    class Base:
        a: int

    class Plain(Base):
        def __init__(self) -> None:
            super().__init__(4)

    assert Plain().a == 4 and Plain().a == 4 and Base(2).a == 2


def test_kinds_of_fields_that_are_left_to_the_standard_library() -> None:
    @records.dataclass
    class Special:
        a: InitVar[int]
        b: int = field(init=False)

        def __post_init__(self, a: int) -> None:
            self.b = a + 1

    assert Special(1).b == 2  # type: ignore[call-arg]

    @records.dataclass(order=True)
    class Ordered:
        a: int

    assert Ordered(1) < Ordered(2)


@pytest.mark.parametrize("options", OPTIONS)
def test_replace_makes_what_the_standard_library_makes(options: dict[str, bool]) -> None:
    def same(record: Any, **changes: Any) -> Any:
        made, expected = records.replace(record, **changes), dataclasses.replace(record, **changes)
        assert type(made) is type(expected) and made is not record
        if not options["slots"]:
            assert made.__dict__ == expected.__dict__
        assert repr(made) == repr(expected)
        return made

    @records.dataclass(**options)
    class Plain:
        a: int
        b: str = "b"
        count: ClassVar[int] = 3

    @records.dataclass(**options)
    class Derived(Plain):
        c: Any = None

    @records.dataclass(**options)
    class Made:
        a: int
        b: list[int] = field(default_factory=list)

    class Own(Derived):
        def __init__(self) -> None:
            super().__init__(5, "own")

    for record in (Plain(1), Derived(1, "x", 2.5), Made(3)):
        same(record)
        assert same(same(record, a=2), b="z").a == 2
    for record in (Plain(1), Derived(1)):
        with pytest.raises(TypeError, match="unexpected keyword argument 'd'"):
            records.replace(record, d=1)
    with pytest.raises(TypeError):  # its initialiser takes no fields
        records.replace(Own(), a=1)


def test_fields_with_factories_are_replaced_as_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataclasses, "replace", None)

    @records.dataclass(frozen=True)
    class Made:
        a: int
        b: list[int] = field(default_factory=list)

    @records.dataclass(frozen=True)
    class Apart(records.Quick):
        a: int
        b: list[int] = field(default_factory=list)

    for kind in (Made, Apart):
        shared = [1]
        for one in (kind(1, shared), *(kind(n, shared) for n in range(2 * records._FEW))):
            made = records.replace(one, a=7)
            assert (made.a, made.b) == (7, shared) and made.b is shared


def test_replace_runs_what_a_class_does_besides() -> None:
    @records.dataclass(frozen=True)
    class Checked:
        a: int
        b: int

        def __post_init__(self) -> None:
            if self.a > self.b:
                raise ValueError("out of order")

    with pytest.raises(ValueError, match="out of order"):
        records.replace(Checked(1, 2), a=3)

    @records.dataclass
    class Noting:
        a: int
        b: int

        def __setattr__(self, name: str, value: int) -> None:
            self.__dict__[name] = abs(value)

    assert records.replace(Noting(-1, 2), b=-3) == Noting(1, 3)

    @records.dataclass(frozen=True)
    class Remembering:
        a: int
        b: int

        @functools.cached_property
        def total(self) -> int:
            return self.a + self.b

    first = Remembering(1, 2)
    assert first.total == 3 and records.replace(first, a=5).total == 7
    with pytest.raises(TypeError):
        records.replace(3, a=1)


def test_refused() -> None:
    @records.dataclass(frozen=True)
    class Frozen:
        a: int

    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        records.dataclass(type("Thawed", (Frozen,), {}))
    with pytest.raises(TypeError, match="non-default argument 'b' follows default argument"):

        @records.dataclass
        class Backwards:
            a: int = 0
            b: str  # type: ignore[misc]

    with pytest.raises(ValueError, match="mutable default"):

        @records.dataclass
        class Shared:
            a: list[int] = []  # noqa: RUF012


def _subclasses(kind: type) -> set[type]:
    own = set(type.__subclasses__(kind))
    return own.union(*map(_subclasses, own))


def _alternatives(declared: Any) -> list[Any]:
    if typing.get_origin(declared) in (typing.Union, types.UnionType):
        return [a for part in typing.get_args(declared) for a in _alternatives(part)]
    return [typing.get_origin(declared) or declared]


def test_standard_dataclasses_hold_what_has_a_truth() -> None:
    """From Python 3.13 on, ``==`` of the standard library's dataclasses asks each pair of fields
    for the truth of its own ``==``, also where both are one object: what is no bool there (of
    expressions, tracers, arrays) breaks it. `mlc.records` compares tuples, on every version."""
    for module in pkgutil.walk_packages(mlc.__path__, "mlc."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds = {k for k in _subclasses(object) if str(k.__module__).startswith("mlc.")}
    names = {kind.__name__: kind for kind in kinds}
    no_bool = (Expr, Tracer, Complex, Masked, Value, np.ndarray)
    wrong, looked_at = [], 0
    for kind in sorted(kinds, key=repr):
        equal = kind.__dict__.get("__eq__")
        if not dataclasses.is_dataclass(kind) or equal is None:
            continue
        if equal.__code__.co_filename in (records.__file__, inspect.getsourcefile(kind)):
            continue
        declared = typing.get_type_hints(kind, localns=names)
        for field_ in dataclasses.fields(kind):
            for part in _alternatives(declared[field_.name]) if field_.compare else ():
                looked_at += 1
                if part is Any or (isinstance(part, type) and issubclass(part, no_bool)):
                    wrong.append(f"{kind.__module__}.{kind.__qualname__}.{field_.name}")
    assert looked_at > 50
    assert not wrong, f"take dataclass from mlc.records (or eq=False) for {wrong}"


def test_cached_properties_take_no_lock() -> None:
    asked = []

    class Owner:
        @records.cached_property
        def value(self) -> int:
            """What it is."""
            asked.append(self)
            if threading.current_thread() is threading.main_thread():
                thread = threading.Thread(target=lambda: Owner().value)
                thread.start()
                thread.join(5)
                assert not thread.is_alive(), "the value of another instance waits for this one"
            return len(asked)

    owner = Owner()
    assert (owner.value, owner.value, vars(owner)) == (2, 2, {"value": 2})
    assert Owner.value.__doc__ == "What it is."
    del owner.value
    assert owner.value == 4


def test_slots_without_fields() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Nothing:
        """No field, and no dict."""

    assert Nothing() == Nothing() and not hasattr(Nothing(), "__dict__")
