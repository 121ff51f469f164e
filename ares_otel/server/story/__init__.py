"""Reads a database and tells the stories of decisions."""
