"""What a checkpoint folder must be before anything is loaded from it: files, headers, config, tokenizer. No torch."""
