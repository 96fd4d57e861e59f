"""Papers of family rec.backbone."""
