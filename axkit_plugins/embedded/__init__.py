"""A model and tasks that need no hub: real weights and real data from the package index."""
