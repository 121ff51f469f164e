"""Endpoints and fields that the bot's old documents promised, under their names, from what is stored.

A field whose data do not exist is null, and `reasons` says why.
"""
