"""Configuration: TOML in, a frozen and checked `RunConfig` out, or every problem with its line and its remedy."""
