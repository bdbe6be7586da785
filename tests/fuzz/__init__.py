"""Random programs and random schedules; `python -m tests.fuzz` runs many."""
