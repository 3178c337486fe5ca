"""The ledger's schema, step by step. `bot.ledger.database.upgrade` runs what is missing."""
