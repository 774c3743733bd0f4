"""The network as machine code: Winograd convolutions, forward and backward."""
