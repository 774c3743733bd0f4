"""Operations: how each is lowered to a step and how it propagates relevance."""
