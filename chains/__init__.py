"""The outside world: networks, nodes, pools, exchanges and the twin. Knows nothing of strategies, budgets or keys."""
