"""Papers of family rec.scale."""
