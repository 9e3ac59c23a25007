"""Tools for authors of passes, ours included."""
