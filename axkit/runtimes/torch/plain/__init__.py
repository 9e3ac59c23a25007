"""The door of transformers alone: a modeling file that goes into a folder, and what it needs to know of the model."""
