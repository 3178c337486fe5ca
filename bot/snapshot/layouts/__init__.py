"""What others' recordings look like: one file per recorder. Each turns a document into pools, events and left-outs."""
