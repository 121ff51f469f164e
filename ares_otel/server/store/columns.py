"""What the tables of the store are made of: their metadata and the few kinds of columns."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, PrimaryKeyConstraint, Table, Text
from sqlalchemy.schema import SchemaItem

__all__ = ["BIG", "METADATA", "bigs", "clustered", "ids", "keys", "reals", "row_id", "texts", "words"]

METADATA = MetaData()

BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits; SQLite's row id has to be declared INTEGER."""


def row_id() -> Column[int]:
    """Return the column of a row id that is a time."""
    return Column("id", BIG, primary_key=True, autoincrement=False)


def words(*names: str) -> Iterator[Column[int]]:
    """Yield columns of numbers of `name`."""
    return (Column(name, Integer) for name in names)


def reals(*names: str) -> Iterator[Column[float]]:
    """Yield columns of doubles."""
    return (Column(name, Double) for name in names)


def bigs(*names: str) -> Iterator[Column[int]]:
    """Yield columns of 64 bits."""
    return (Column(name, BIG) for name in names)


def texts(*names: str) -> Iterator[Column[str]]:
    """Yield columns of texts."""
    return (Column(name, Text) for name in names)


def ids(*names: str) -> Iterator[Column[int]]:
    """Yield columns of 64 bits that are always there."""
    return (Column(name, BIG, nullable=False) for name in names)


def keys(*names: str) -> Iterator[Column[int]]:
    """Yield columns of a key; numbers of `name` are 0 where nothing was said."""
    return (Column(name, Integer, nullable=False, autoincrement=False) for name in names)


def clustered(name: str, key: tuple[str, ...], *columns: SchemaItem) -> Table:
    """Return a table that is kept in the order of its key."""
    return Table(name, METADATA, *columns, PrimaryKeyConstraint(*key), sqlite_with_rowid=False)
