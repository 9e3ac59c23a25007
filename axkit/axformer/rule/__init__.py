"""What a candidate is judged by; numbers in, a verdict out."""
