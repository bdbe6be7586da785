"""What mlc.testing promises to users."""
