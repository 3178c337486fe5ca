"""What a run has to do with the outside, by its configuration: nodes, exchanges, relays, the ground of its mode."""
