"""JPEG-LS, ITU-T T.87: one scan of one frame is one index."""
