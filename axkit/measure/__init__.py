"""Speed, quality, size."""
