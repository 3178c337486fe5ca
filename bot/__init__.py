"""The engine: the one road from the market to the signed transaction."""
