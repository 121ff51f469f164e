"""The HTTP server around store and stories."""
