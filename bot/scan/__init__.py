"""Looking at recorded markets without any node: what there was to gain, a bound on it, and why the rest was left."""
