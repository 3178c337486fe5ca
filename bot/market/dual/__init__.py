"""The whole-market optimum by its dual: the best use of all pools and books at once, a bound on it, and exact plans."""
