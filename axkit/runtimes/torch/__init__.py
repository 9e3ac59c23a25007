"""A transformers model as a body, and as a folder that reloads to the same logits."""
