"""What keeps the store well: retention, back-up, export and import, forwarding."""
