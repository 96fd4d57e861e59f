"""Papers of family rec.synth."""
