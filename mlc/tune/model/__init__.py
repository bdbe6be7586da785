"""Cost models: which candidates are worth trying, guessed from their programs."""
