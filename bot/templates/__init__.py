"""The configurations that `isthmus init` writes; `twin.toml` is also what a run without a file uses."""
