"""Intrinsics that are ready made: what instructions mean, with native code for them."""
