"""Strategies: one per file, each beside the TOML that documents and configures it."""
