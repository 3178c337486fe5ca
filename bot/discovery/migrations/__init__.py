"""The pool store's schema, version by version."""
