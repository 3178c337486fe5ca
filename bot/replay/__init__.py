"""Runs recorded as they happen, and replayed: the same events and answers in, the same decisions out, bit for bit."""
