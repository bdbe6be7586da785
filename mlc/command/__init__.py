"""``python -m mlc``: one module a command; `mlc.command.line` puts them together."""
