"""Accounts, performance and risk: pure functions on records, used by the bot's metrics and the server alike."""
