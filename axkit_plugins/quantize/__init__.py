"""The passes that quantize, each in a room of its own."""
