"""Telemetry without a line in the bot."""
