"""The primitive steps, one per file."""
