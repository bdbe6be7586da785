"""Rows for functions that NumPy lacks, with a reference written in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlc.ops import convolve, nn

from .cases import Case, Tolerance, ulp
from .inputs import FLOATS, INTEGERS, one_array, shaped

IEEE = tuple(d for d in FLOATS if d.kind == "f")
CASES: list[Case] = []
