"""AxFormer: accuracy-driven pruning and selective hard attention (Nagarajan et al., arXiv 2010.03688)."""
