"""Finding pools, keeping them in a database of their own, and choosing which of them make up the market."""
