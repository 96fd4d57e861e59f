"""Networks, one architecture family a file."""
