"""One torch thread: two make small layers slower, and far slower on a busy machine."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
