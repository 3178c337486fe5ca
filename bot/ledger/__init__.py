"""The write-ahead journal: what the bot saw, decided, signed, sent and earned."""
