"""What turns a lowered tensor program into something that runs."""
