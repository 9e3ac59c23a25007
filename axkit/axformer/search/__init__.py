"""The greedy search by the paper's rule, its journal and what it goes on from."""
