"""How pools are found: what factories and registries say of them, and what is asked to believe it. No I/O."""
