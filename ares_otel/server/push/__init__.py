"""Live push: what was committed just now, to those who listen, by SSE and WebSocket."""
