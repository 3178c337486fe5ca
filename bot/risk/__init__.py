"""Budgets: what one strategy may risk, and what it has used."""
