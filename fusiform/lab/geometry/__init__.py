"""Rotations, cameras, meshes, the head model, and the two renderers of one scene description."""
