"""The monitoring page: an aiohttp application over the ledger and the engine's state."""
