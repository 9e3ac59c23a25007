"""What an author of a pass reads: passes, tools, results, the subject."""
