"""The local mainnet twin and the recorded market that moves it."""
