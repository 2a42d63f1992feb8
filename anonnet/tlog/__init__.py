"""The transparency log's formats: trees, notes, checkpoints, cosignatures, tiles, proofs. No input or output."""
