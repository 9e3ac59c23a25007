"""Products on processors: what several of our passes compute with. Knows no pass."""
