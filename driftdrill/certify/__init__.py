"""How well alert rules detect: run lengths, delays, and the limit that no detector can pass."""
