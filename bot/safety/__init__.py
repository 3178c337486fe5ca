"""Token safety: how a token behaves is measured on a fork before it may be held, and written down."""
