"""Several programs by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ArgumentError
from ..ir.html import script_html
from ..ir.program import Program
from ..ir.show import module_text
from .function import Template


class Module(Mapping[str, Program | Template]):
    """Programs by name: ``module["mm"]``, or ``module.mm``.

    Made from a dictionary, or as a decorator from a class whose attributes are programs::

        @T.Module
        class layers:
            @T.program
            def mm(...): ...

    Templates keep their sizes open in it.
    """

    def __init__(self, programs: Any, name: str = "") -> None:
        if isinstance(programs, type):
            name = name or programs.__name__
            programs = {
                key: value
                for key, value in vars(programs).items()
                if isinstance(value, (Program, Template))
            }
        if not isinstance(programs, Mapping):
            raise ArgumentError(
                f"T.Module wants a dictionary of programs or a class that holds them, "
                f"got {type(programs).__name__}"
            )
        for key, value in programs.items():
            if not isinstance(key, str) or not key.isidentifier():
                raise ArgumentError(f"programs of a module go by identifiers, got {key!r}")
            if not isinstance(value, (Program, Template)):
                raise ArgumentError(f"{key!r} in a T.Module must be a program, got {value!r}")
        self.name = name or "module"
        self._programs: dict[str, Program | Template] = dict(programs)

    def __getitem__(self, name: str) -> Program | Template:
        if name not in self._programs:
            raise ArgumentError(f"module {self.name} has no program {name!r}; it has {_list(self)}")
        return self._programs[name]

    def __getattr__(self, name: str) -> Program | Template:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._programs:
            raise AttributeError(
                f"module {self.name} has no program {name!r}; it has {_list(self)}"
            )
        return self._programs[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._programs})

    def __iter__(self) -> Iterator[str]:
        return iter(self._programs)

    def __len__(self) -> int:
        return len(self._programs)

    def __contains__(self, name: object) -> bool:
        return name in self._programs

    def get(self, name: str, default: Any = None) -> Any:
        """The program called ``name``, or ``default``."""
        return self._programs.get(name, default)

    def __repr__(self) -> str:
        return self.script()

    def _repr_html_(self) -> str:
        return script_html(self.script())

    def script(self) -> str:
        """The module as Python source that traces back to it."""
        return module_text(self.name, self._programs)


def _list(module: Module) -> str:
    return ", ".join(module) or "none"
