"""Small networks over tokens, time, clouds and graphs as their authors' code writes them: ViT, Swin, GPT, LLaMA, …"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """timm's attention: one linear for q, k, v; reshape, permute, unbind; explicit softmax."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.attn_drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        attn = (q * self.scale) @ k.transpose(-2, -1)
        x = (self.attn_drop(attn.softmax(dim=-1)) @ v).transpose(1, 2).reshape(b, n, c)
        return self.proj(x)


class VisionTransformer(nn.Module):
    """Patch embedding, class token, position embedding, pre-norm blocks."""

    shape = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.cls_token, self.pos_embed = (
            nn.Parameter(torch.randn(1, 1, 8)),
            nn.Parameter(torch.randn(1, 5, 8) * 0.2),
        )
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(8), SelfAttention(8, 2), nn.LayerNorm(8)
        self.mlp = nn.Sequential(
            nn.Linear(8, 16), nn.GELU(approximate="tanh"), nn.Dropout(0.1), nn.Linear(16, 8)
        )
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos_embed
        x = x + self.attn(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm(x)[:, 0])


class Swin(nn.Module):
    """Shifted windows: `torch.roll`, window partition by view and permute, relative position bias."""

    shape = (4, 4, 8)

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.proj = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.table = nn.Parameter(torch.randn(9, 2) * 0.2)
        rows = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")).flatten(
            1
        )
        apart = (rows[:, :, None] - rows[:, None, :]).permute(1, 2, 0) + 1
        self.register_buffer("index", apart[..., 0] * 3 + apart[..., 1])
        self.reduction, self.head = nn.Linear(32, 8, bias=False), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        y = torch.roll(self.norm(x), shifts=(-1, -1), dims=(1, 2))
        windows = (
            y.view(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 4, c)
        )
        q, k, v = self.qkv(windows).reshape(-1, 4, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        bias = self.table[self.index.view(-1)].view(4, 4, 2).permute(2, 0, 1)
        attn = F.softmax(q @ k.transpose(-2, -1) / math.sqrt(c // 2) + bias.unsqueeze(0), dim=-1)
        y = self.proj((attn @ v).transpose(1, 2).reshape(-1, 4, c))
        y = (
            y.view(b, h // 2, w // 2, 2, 2, c)
            .permute(0, 1, 3, 2, 4, 5)
            .contiguous()
            .view(b, h, w, c)
        )
        x = x + torch.roll(y, shifts=(1, 1), dims=(1, 2))
        parts = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        return self.head(self.reduction(torch.cat(parts, -1)).mean((1, 2)))


class Gpt(nn.Module):
    """nanoGPT's block on embedded tokens: split, views, causal flash attention, dropout p = 0."""

    shape = (5, 8)

    def __init__(self) -> None:
        super().__init__()
        self.wpe = nn.Embedding(5, 8)
        self.ln_1, self.c_attn, self.c_proj = (
            nn.LayerNorm(8, bias=False),
            nn.Linear(8, 24),
            nn.Linear(8, 8),
        )
        self.ln_2, self.c_fc, self.c_out = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.lm_head = nn.Linear(8, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.size()
        x = x + self.wpe(torch.arange(0, t, dtype=torch.long, device=x.device))
        q, k, v = self.c_attn(self.ln_1(x)).split(c, dim=2)
        q, k, v = (p.view(b, t, 2, c // 2).transpose(1, 2) for p in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c))
        x = x + self.c_out(F.gelu(self.c_fc(self.ln_2(x))))
        return self.lm_head(x[:, [-1], :]).squeeze(1)


class RmsNorm(nn.Module):
    """LLaMA's own RMSNorm, written out."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def rotate_half(x: Tensor) -> Tensor:
    """Half of the dimensions, turned by a right angle."""
    x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


class Llama(nn.Module):
    """RMSNorm, rotary positions, grouped queries by `enable_gqa`, SwiGLU."""

    shape = (4, 16)

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = RmsNorm(16), nn.RMSNorm(16, eps=1e-6)
        self.q, self.o = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.k, self.v = nn.Linear(16, 8, bias=False), nn.Linear(16, 8, bias=False)
        self.gate, self.up, self.down = (
            nn.Linear(i, o, bias=False) for i, o in ((16, 24), (16, 24), (24, 16))
        )
        angles = torch.outer(
            torch.arange(4).double(), 10000.0 ** (-torch.arange(0, 4, 2).double() / 4)
        ).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        self.head = nn.Linear(16, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        y = self.norm1(x)
        q, k, v = (
            part.view(b, t, -1, 4).transpose(1, 2) for part in (self.q(y), self.k(y), self.v(y))
        )
        q, k = (part * self.cos + rotate_half(part) * self.sin for part in (q, k))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, -1))
        y = self.norm2(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.head(x[:, -1])


class EinsumAttention(nn.Module):
    """Attention, a linear layer and a bilinear product written with einsum."""

    shape = (4, 8)

    def __init__(self) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(8, 24, bias=False)
        self.weight, self.head = nn.Parameter(torch.randn(2, 4, 8) * 0.3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = (part.view(b, n, 2, 4) for part in self.to_qkv(x).chunk(3, dim=-1))
        dots = torch.einsum("bihd,bjhd->bhij", q, k) * 0.5
        out = torch.einsum("bhij,bjhd->bihd", dots.softmax(dim=-1), v)
        return self.head(torch.einsum("bnhd,hdo->bno", out, self.weight).mean(1))


class Encoder(nn.Module):
    """torch's own TransformerEncoder, two layers, norm first, with a padding mask made from the input."""

    shape = (5, 8)

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(
            layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        causal = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
        return self.head(self.encoder(x, mask=causal).max(dim=1).values)


class EncoderDecoder(nn.Module):
    """nn.Transformer on two inputs, sequence first."""

    shape = (4, 8)

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.transformer(x[:, :2], x[:, 2:])[:, -1])


class Recurrent(nn.Module):
    """A convolution over time, a bidirectional LSTM with projections, a GRU and an Elman net."""

    shape = (3, 6)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3, padding=1)
        self.lstm = nn.LSTM(4, 6, batch_first=True, bidirectional=True, proj_size=3)
        self.gru, self.rnn = (
            nn.GRU(6, 5, num_layers=2, batch_first=True),
            nn.RNN(5, 4, batch_first=True),
        )
        self.head = nn.Linear(4 + 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.adaptive_max_pool1d(F.relu(self.conv(x)), 3).permute(0, 2, 1)
        y, _ = self.lstm(y)
        y, state = self.gru(y)
        y, _ = self.rnn(y)
        return self.head(torch.cat([y[:, -1], state[-1]], dim=-1))


class Cells(nn.Module):
    """LSTMCell and GRUCell in a loop of one's own."""

    shape = (3, 4)

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru, self.head = nn.LSTMCell(4, 5), nn.GRUCell(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h, c = x.new_zeros(x.size(0), 5), x.new_zeros(x.size(0), 5)
        state = torch.zeros(x.size(0), 5, dtype=x.dtype, device=x.device)
        for step in x.unbind(1):
            h, c = self.lstm(step, (h, c))
            state = self.gru(h, state)
        return self.head(state)


class PointNet(nn.Module):
    """Shared layers over points, a learned transform by bmm, a maximum over the points."""

    shape = (3, 7)

    def __init__(self) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Conv1d(3, 6, 1), nn.BatchNorm1d(6), nn.ReLU())
        self.matrix, self.conv, self.bn = nn.Linear(6, 9), nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8)
        self.head = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        t = torch.max(self.transform(x), 2, keepdim=True)[0].view(-1, 6)
        matrix = self.matrix(t).view(-1, 3, 3) + torch.eye(3, dtype=x.dtype).view(1, 3, 3)
        x = torch.bmm(x.transpose(2, 1), matrix).transpose(2, 1)
        return self.head(torch.max(F.relu(self.bn(self.conv(x))), 2)[0])


class MlpMixer(nn.Module):
    """Mixing over tokens and over channels, gated units (GLU), a learned gate, masked sums."""

    shape = (4, 6)

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.tokens, self.channels = nn.LayerNorm(6), nn.Linear(4, 8), nn.Linear(6, 12)
        self.gate, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + F.glu(self.tokens(self.norm(x).transpose(1, 2)), dim=-1).transpose(1, 2)
        x = x + F.glu(self.channels(x))
        g = torch.sigmoid(self.gate(x))
        x = g * x + (1 - g) * torch.tanh(x)
        x = torch.where(torch.arange(4)[:, None] < 3, x, torch.zeros_like(x))
        return self.head(x.sum(dim=1) / 3)


SEQUENCES: tuple[type[nn.Module], ...] = (
    VisionTransformer,
    Swin,
    Gpt,
    Llama,
    EinsumAttention,
    Encoder,
    EncoderDecoder,
    Recurrent,
    Cells,
    PointNet,
    MlpMixer,
)
