"""What the child process of the boosted trees runs: LightGBM, or scikit-learn's trees.

A request ``fit`` brings features and times, and is answered with guesses for each of them by trees
that have not seen it; ``guess`` brings features only.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from ..measure.frames import Header

FOLDS = 5
_TREES = 80
_PACKAGES = ("lightgbm", "sklearn")
_fitted: list[Any] = []


def installed() -> str | None:
    """The package that there is, the better one first; None if there is none."""
    return next((name for name in _PACKAGES if find_spec(name) is not None), None)


def answer(header: Header, blobs: list[bytes]) -> tuple[Header, list[bytes]]:
    """The reply to one request."""
    rows = np.frombuffer(blobs[0]).reshape(header["rows"], -1)
    if header["do"] == "guess":
        return {"status": "ok"}, [_guesses(_fitted[0], rows).tobytes()]
    times = np.frombuffer(blobs[1])
    held_out = np.empty(len(times))
    part = np.random.default_rng(0).permutation(len(times)) % FOLDS
    for number in range(FOLDS):
        held_out[part == number] = _guesses(
            _fit(rows[part != number], times[part != number], header["package"]),
            rows[part == number],
        )
    _fitted[:] = [_fit(rows, times, header["package"])]
    return {"status": "ok"}, [held_out.tobytes()]


def _fit(rows: Any, times: Any, package: str) -> Any:
    if package == "lightgbm":
        import lightgbm

        options = {
            "objective": "regression", "num_leaves": 8, "min_data_in_leaf": 4, "num_threads": 1,
            "deterministic": True, "verbosity": -1, "min_data_in_bin": 1,
        }  # fmt: skip
        return lightgbm.train(options, lightgbm.Dataset(rows, times), num_boost_round=_TREES)
    from sklearn.ensemble import GradientBoostingRegressor

    made = GradientBoostingRegressor(n_estimators=_TREES, max_leaf_nodes=8, random_state=0)
    return made.fit(rows, times)


def _guesses(fitted: Any, rows: Any) -> Any:
    return np.asarray(fitted.predict(rows), np.float64)
