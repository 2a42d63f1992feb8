"""The judge (paper, "Correctness and Atomicity"): papers in, a verdict out; offline, on nobody's word but signatures.

It imports what is true of a message whoever reads it (`protocol`), and no party, no store, no clock.
"""
