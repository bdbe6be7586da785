"""Graphs: rewrites, fusion into kernels, and buffers for what passes between them."""
