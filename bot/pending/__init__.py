"""Transactions that wait for a block: what each would do, and the market as it would be after it."""
