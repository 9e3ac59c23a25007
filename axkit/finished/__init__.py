"""What one does with a finished folder: score it, time it, ask it."""
