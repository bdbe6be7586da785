"""Boosted trees as a cost model, in a process of their own: what they import and do cannot harm."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import numpy as np

from ..measure.process import Child, DiedError, ExpiredError
from .features import Features
from .trees import installed

_LIMIT = 20.0  # seconds for a fit, with which packages are imported the first time
_PATIENCE = 0.5  # seconds that guesses are waited for


class Boosted:
    """Fits in the background: nobody waits for it. :attr:`held_out` are the guesses of the last fit
    that is done, each by trees that had not seen the row; None before, and once something failed.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.held_out: np.ndarray[Any, Any] | None = None
        self._child: Child | None = None
        self._thread = ThreadPoolExecutor(1, "mlc-trees")
        self._fit: Future[Any] | None = None
        self._is_gone = False

    @staticmethod
    def if_installed() -> Boosted | None:
        """The model, if there is a package for it."""
        package = installed()
        return None if package is None else Boosted(package)

    @property
    def is_busy(self) -> bool:
        """Whether a fit is under way."""
        return self._fit is not None and not self._fit.done()

    def fit(self, rows: Sequence[Features], times: Sequence[float]) -> None:
        """Begins to learn from these, unless that is under way for others or has failed."""
        if self._is_gone or self.is_busy:
            return
        x, y = np.ascontiguousarray(rows, np.float64), np.ascontiguousarray(times, np.float64)
        self._fit = self._thread.submit(self._fitted, x, y)

    def guess(self, rows: Sequence[Features]) -> list[float] | None:
        """Logarithms of times; None while a fit is under way, and where there is none."""
        if self._is_gone or self.is_busy or self.held_out is None:
            return None
        x = np.ascontiguousarray(rows, np.float64)
        try:
            found = self._thread.submit(self._asked, {"do": "guess"}, x).result(_PATIENCE)
        except FutureTimeout:
            return None
        return None if found is None else [float(value) for value in found]

    def close(self) -> None:
        """End the process."""
        self._is_gone = True
        child, self._child = self._child, None
        if child is not None:
            child.close()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _fitted(self, x: Any, y: Any) -> None:
        self.held_out = self._asked({"do": "fit"}, x, y)

    def _asked(self, header: dict[str, Any], *arrays: Any) -> Any:
        if self._is_gone:
            return None
        try:
            if self._child is None:
                self._child = Child(threads=1)
            header = {**header, "package": self.package, "rows": len(arrays[0])}
            reply, blobs = self._child.ask(header, *(a.tobytes() for a in arrays), limit=_LIMIT)
        except (DiedError, ExpiredError, OSError):
            self._is_gone = True
            return None
        if reply["status"] != "ok":
            self._is_gone = True
            return None
        return np.frombuffer(blobs[0])
