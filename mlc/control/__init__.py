"""Loops and branches over traced values that become native ones."""
