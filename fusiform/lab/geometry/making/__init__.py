"""How the shipped head model is made from its CC0 source. Nothing here runs when it is used."""
