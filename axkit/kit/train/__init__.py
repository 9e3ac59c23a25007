"""Training with transformers' Trainer on our batches: settings, loop, going on after a kill, distillation."""
