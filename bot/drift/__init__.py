"""State that cannot drift unnoticed: pools are held against the chain all the time, and read again where they must."""
