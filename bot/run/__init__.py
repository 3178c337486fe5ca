"""One run of the bot: what it opens, holds together and closes, and what it says at its end."""
