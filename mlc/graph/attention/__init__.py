"""Attention as one kernel of a grid: what is one, and how it runs."""
