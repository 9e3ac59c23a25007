"""A model as plain arrays, whatever family and passes it comes from: what graphs of other runtimes are built of."""
