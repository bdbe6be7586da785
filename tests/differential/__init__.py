"""Random NumPy programs, run with and without ``mlc.jit``."""
