"""Sums that a search computes sooner than PyTorch does."""
