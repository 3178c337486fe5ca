"""Facts of each network, as TOML, and the code that reads them."""
