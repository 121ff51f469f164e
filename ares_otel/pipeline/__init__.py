"""The way of a span from the hot path to the receiver."""
