"""How values become bytes and come back: the codec, frames, signed messages."""
