"""Spaces made from the structure of a program: what may be tried on it, and what experts would."""
