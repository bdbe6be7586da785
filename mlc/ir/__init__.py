"""The language: scalar expressions, tensor programs, and what can be asked about them."""
