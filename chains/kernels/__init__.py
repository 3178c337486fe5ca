"""How hot loops are compiled, and instructions that only compiled code has. Nothing here knows what they compute."""
