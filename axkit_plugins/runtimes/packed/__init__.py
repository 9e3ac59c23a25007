"""A model in PyTorch as it is served: no padding, one product for queries, keys and values, no modules between."""
