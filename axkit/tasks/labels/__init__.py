"""What a column of labels means, and which label of the data is which output of the model."""
