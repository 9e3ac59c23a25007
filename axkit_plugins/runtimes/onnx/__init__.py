"""onnxruntime: a graph built from arrays, and the body that asks it."""
