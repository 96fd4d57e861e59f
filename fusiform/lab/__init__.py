"""The lab: where models are made and claims are measured. The gallery never imports it."""
