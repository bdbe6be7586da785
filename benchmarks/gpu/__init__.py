"""Kernels on a card beside those of other libraries."""
