"""What a transformer is made of, as data, and the one surgeon that changes it."""
