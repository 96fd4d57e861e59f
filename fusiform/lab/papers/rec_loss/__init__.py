"""Papers of family rec.loss."""
