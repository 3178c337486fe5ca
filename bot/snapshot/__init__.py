"""Making snapshots: from a node as of a block, and from what others recorded."""
