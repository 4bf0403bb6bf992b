"""The changing world: who asks for predictions, what comes true, and how both move.

Pure numpy: no clock, no input or output, no randomness but the generator that is passed in.
"""
