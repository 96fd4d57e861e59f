"""Embeddings, quality and comparison of faces."""
