"""What could have been extracted from each block, bounded and explained, by a process of its own beside the engine."""
