"""What gets the texts that compiled code has made: streams, loggers, warnings."""

from __future__ import annotations

import builtins
import sys
import warnings

from ..records import dataclass


class Sink:
    """Gets texts while a call runs, or when it has ended."""

    def take(self, text: str) -> None:
        """Show ``text``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Stream(Sink):
    """``sys.stdout`` or ``sys.stderr``, as it is then."""

    is_errors: bool
    flush: bool

    def take(self, text: str) -> None:
        """Print ``text``."""
        builtins.print(text, end="", file=sys.stderr if self.is_errors else None, flush=self.flush)


@dataclass(frozen=True)
class Log(Sink):
    """The logger called ``name``."""

    name: str
    level: int

    def take(self, text: str) -> None:
        """Log ``text``."""
        import logging

        logging.getLogger(self.name).log(self.level, "%s", text)


@dataclass(frozen=True)
class Warn(Sink):
    """A warning of a line of the user's."""

    category: type[Warning]
    file: str
    line: int
    module: str

    def take(self, text: str) -> None:
        """Warn with ``text``."""
        warnings.warn_explicit(text, self.category, self.file, self.line, self.module)
