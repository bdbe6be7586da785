"""mlc: NumPy functions, traced, fused, scheduled and compiled."""
