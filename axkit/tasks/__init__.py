"""Data to batches to score. ``spec`` and ``rows`` import no torch; ``kinds`` and ``split`` do."""
