"""Text to Recipe to Plan to Run."""
