"""Lowering: from scheduled programs to flat loops that a backend can print."""
