"""Serves the operations of Trueline's backend boundary (backends/backend.ts) with PyTorch and transformers."""
