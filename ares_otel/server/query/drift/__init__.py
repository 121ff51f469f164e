"""Drift of models: how they stand, what was found over time, what can be found at all."""
