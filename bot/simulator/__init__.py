"""Verdicts: the exact unsigned transaction, run on an Anvil fork of the head it was decided on."""
