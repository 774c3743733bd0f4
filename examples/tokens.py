"""Which tokens a small transformer read: it learns to find one word in a sentence: `python examples/tokens.py`."""

import torch
from torch import Tensor, nn

import lrp

WORDS = ["the", "a", "dog", "cat", "tree", "house", "sees", "likes", "finds", "good"]
GOOD = WORDS.index("good")


class Reader(nn.Module):
    """Token ids [B, L] -> logits [B, 2]: embeddings, one encoder layer, the mean over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(len(WORDS), 16), nn.Embedding(12, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        return self.head(self.block(x).mean(1))


torch.manual_seed(0)
sentences = torch.randint(len(WORDS), (256, 8))
labels = (sentences == GOOD).any(1).long()
model = Reader()
optimizer = torch.optim.Adam(model.parameters(), 0.01)
for _ in range(60):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(sentences), labels).backward()
    optimizer.step()

ids = torch.tensor([[0, 2, 6, 1, GOOD, 5]])  # the dog sees a good house
relevance = lrp.LRP(model.eval(), "EpsilonPlus", ids).attribute(ids, lambda y: y[:, 1] - y[:, 0])
for word, share in zip(ids[0].tolist(), relevance.input[0].tolist()):
    print(f"{WORDS[word]:6} {share:+.2f} {'#' * round(3 * abs(share))}")
print(relevance)
