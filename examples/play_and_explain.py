"""The agent's reply, why it wants it, and the squares of most weight: `python examples/play_and_explain.py`."""

from app.game.session import Session
from app.models import load_model
from othello.rules.notation import square_name

game = Session(load_model())
game.play("f5")
reply = game.reply()
print("f5, and the agent plays", square_name(reply))
print(game.why(1, reply).sentence)
squares = game.explain(1, f"policy:{square_name(reply)}").squares.ravel()
for square in abs(squares).argsort()[:-4:-1]:
    print(square_name(int(square)), f"{squares[square]:+.2f}")
