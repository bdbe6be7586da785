"""Schedules: checked rewrites of tensor programs, by hand or by rule."""
