"""Why a move: facts of the board, what the network makes of each, and the sentence that both allow."""
