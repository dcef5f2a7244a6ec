"""How well turns are taken: labelled dialogues through the real conversation, measured by published definitions."""
