"""A model as a folder that reloads to the same logits: config, safetensors, tokenizer, axkit.json."""
