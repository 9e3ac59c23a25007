"""What everything else stands on: errors, registry, files, fences. Imports no torch."""
