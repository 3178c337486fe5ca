"""One state machine for transactions and exchange orders."""
