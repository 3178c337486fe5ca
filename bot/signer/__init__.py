"""The signer: a process of its own that alone knows the key."""
