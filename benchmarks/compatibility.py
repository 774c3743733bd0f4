"""Which models of other libraries `lrp` explains, called as their users call them, with random weights.

Every model is small, made from its configuration class with default settings but for its size, and called as
`model(**batch)`: texts are token ids with a padding mask, images are pixels. A row says whether the explanation's
target is the model's own output and its ledger closes (`closure`: the largest rest, in units of all relevance that was
booked), or why not. `F`: an explanation in units of one forward and backward pass, in processor time.
Needs the extra `compat`. Run it as `python -m benchmarks.compatibility --group transformers`.
"""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

import lrp
from benchmarks.harness import interleaved, options

SAMPLES, LENGTH, WORDS = 2, 7, 99
TOKENS = {"vocab_size": WORDS, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
}
GROUPED = {**SIZE, "num_key_value_heads": 2}
PATCHES = {**SIZE, "image_size": 32, "patch_size": 8}
N_EMBD = {"n_embd": 32, "n_layer": 2, "n_head": 4}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
PAIR = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 37,
    "decoder_start_token_id": 1,
}
CLASSES, NEXT, SEQ2SEQ = "ForSequenceClassification", "ForCausalLM", "ForConditionalGeneration"
PICTURES = "ForImageClassification"

TRANSFORMERS: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    # name -> classes begin with, the model's class ends in, settings
    "albert": ("Albert", CLASSES, {**SIZE, "embedding_size": 16}),
    "bart": ("Bart", SEQ2SEQ, PAIR),
    "beit": ("Beit", PICTURES, PATCHES),
    "bert": ("Bert", CLASSES, SIZE),
    "biogpt": ("BioGpt", NEXT, SIZE),
    "bloom": ("Bloom", NEXT, {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "camembert": ("Camembert", CLASSES, SIZE),
    "clip-vision": ("CLIPVision", "Model", PATCHES),
    "codegen": ("CodeGen", NEXT, {**N_EMBD, "rotary_dim": 4}),
    "cohere": ("Cohere", NEXT, GROUPED),
    "convbert": ("ConvBert", CLASSES, SIZE),
    "convnext": ("ConvNext", PICTURES, STAGES),
    "deberta": ("Deberta", CLASSES, SIZE),
    "deberta-v2": ("DebertaV2", CLASSES, SIZE),
    "deit": ("DeiT", PICTURES, PATCHES),
    "dinov2": ("Dinov2", PICTURES, PATCHES),
    "distilbert": (
        "DistilBert",
        CLASSES,
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 37},
    ),
    "electra": ("Electra", CLASSES, {**SIZE, "embedding_size": 32}),
    "ernie": ("Ernie", CLASSES, SIZE),
    "falcon": ("Falcon", NEXT, SIZE),
    "fnet": ("FNet", CLASSES, SIZE),
    "gemma": ("Gemma", NEXT, {**GROUPED, "head_dim": 8}),
    "gemma2": ("Gemma2", NEXT, {**GROUPED, "head_dim": 8}),
    "gpt-neo": (
        "GPTNeo",
        NEXT,
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
        },
    ),
    "gpt-neox": ("GPTNeoX", NEXT, SIZE),
    "gpt2": ("GPT2", "LMHeadModel", N_EMBD),
    "gptj": ("GPTJ", NEXT, {**N_EMBD, "rotary_dim": 4}),
    "granite": ("Granite", NEXT, GROUPED),
    "layoutlm": ("LayoutLM", CLASSES, SIZE),
    "llama": ("Llama", NEXT, GROUPED),
    "mamba": ("Mamba", NEXT, {"hidden_size": 32, "num_hidden_layers": 2}),
    "marian": ("Marian", "MTModel", PAIR),
    "mbart": ("MBart", SEQ2SEQ, PAIR),
    "megatron-bert": ("MegatronBert", CLASSES, SIZE),
    "mistral": ("Mistral", NEXT, GROUPED),
    "mixtral": ("Mixtral", NEXT, {**GROUPED, "num_local_experts": 4}),
    "mobilebert": (
        "MobileBert",
        CLASSES,
        {**SIZE, "embedding_size": 32, "intra_bottleneck_size": 32},
    ),
    "modernbert": (
        "ModernBert",
        CLASSES,
        {**SIZE, "cls_token_id": 1, "sep_token_id": 2},
    ),
    "mpnet": ("MPNet", CLASSES, SIZE),
    "mpt": ("Mpt", NEXT, {"d_model": 32, "n_heads": 4, "n_layers": 2}),
    "nystromformer": ("Nystromformer", CLASSES, SIZE),
    "olmo": ("Olmo", NEXT, GROUPED),
    "olmo2": ("Olmo2", NEXT, GROUPED),
    "opt": ("OPT", NEXT, {**SIZE, "ffn_dim": 37, "word_embed_proj_dim": 32}),
    "pegasus": ("Pegasus", SEQ2SEQ, PAIR),
    "persimmon": ("Persimmon", NEXT, SIZE),
    "phi": ("Phi", NEXT, SIZE),
    "phi3": ("Phi3", NEXT, GROUPED),
    "qwen2": ("Qwen2", NEXT, GROUPED),
    "qwen3": ("Qwen3", NEXT, {**GROUPED, "head_dim": 8}),
    "resnet": ("ResNet", PICTURES, {**STAGES, "embedding_size": 8}),
    "roberta": ("Roberta", CLASSES, SIZE),
    "roformer": ("RoFormer", CLASSES, {**SIZE, "embedding_size": 32}),
    "rwkv": ("Rwkv", NEXT, {"hidden_size": 32, "num_hidden_layers": 2}),
    "segformer": ("Segformer", PICTURES, {**STAGES, "num_attention_heads": [1, 2, 2, 2]}),
    "siglip-vision": ("SiglipVision", "Model", PATCHES),
    "smollm3": ("SmolLM3", NEXT, GROUPED),
    "stablelm": ("StableLm", NEXT, GROUPED),
    "starcoder2": ("Starcoder2", NEXT, GROUPED),
    "swin": (
        "Swin",
        PICTURES,
        {
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 16,
            "depths": [1, 1],
            "num_heads": [2, 2],
            "window_size": 4,
        },
    ),
    "t5": (
        "T5",
        SEQ2SEQ,
        {
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 37,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
    ),
    "vit": ("ViT", PICTURES, PATCHES),
    "xlm-roberta": ("XLMRoberta", CLASSES, SIZE),
    "xlnet": (
        "XLNet",
        CLASSES,
        {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 37},
    ),
}


@dataclass(frozen=True)
class Case:
    """A model with random weights, a batch, and which of its outputs is explained at which target."""

    model: nn.Module
    batch: dict[str, Tensor]
    output: str
    target: Any


@dataclass(frozen=True)
class Row:
    """One model's line of the table; closure and F are NaN where nothing is explained."""

    name: str
    explained: bool
    closure: float
    F: float
    reason: str = ""


def transformer(name: str) -> Case:
    """A model of the transformers library, by its name in the table."""
    library = importlib.import_module("transformers")
    stem, head, settings = TRANSFORMERS[name]
    pictures = head == PICTURES or "Vision" in stem
    config = getattr(library, f"{stem}Config")(**({} if pictures else TOKENS), **settings)
    torch.manual_seed(0)
    model = getattr(library, stem + head)(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:  # fresh norms are the identity and fresh biases 0
            nn.init.normal_(parameter, parameter.mean().item(), 0.1)
    if pictures:
        batch = {"pixel_values": torch.rand(SAMPLES, 3, 32, 32)}
    else:
        mask = torch.ones(SAMPLES, LENGTH, dtype=torch.long)
        mask[1, LENGTH - 2 :] = 0
        batch = {"input_ids": torch.randint(3, WORDS, mask.shape), "attention_mask": mask}
    if settings is PAIR or head == SEQ2SEQ:
        batch["decoder_input_ids"] = torch.randint(3, WORDS, (SAMPLES, 4))
    if "Model" in head and pictures:
        return Case(model, batch, "pooler_output", 1)
    return Case(model, batch, "logits", 1 if head in (CLASSES, PICTURES) else (-1, 3))


GROUPS: dict[str, tuple[Callable[[str], Case], tuple[str, ...]]] = {
    "transformers": (transformer, tuple(TRANSFORMERS)),
}


def measured(name: str, make: Callable[[str], Case], rounds: int = 0) -> Row:
    """One model's row."""
    nothing = float("nan")
    try:
        case = make(name)
        with torch.no_grad():
            value = case.model(**case.batch)[case.output]
    except Exception as error:
        return Row(name, False, nothing, nothing, f"it cannot be made or called: {_short(error)}")
    try:
        explainer = lrp.LRP(case.model, "AttnLRP", **case.batch)
        r = explainer.attribute(**case.batch, target=case.target, output=case.output)
    except lrp.LRPError as error:
        return Row(name, False, nothing, nothing, _short(error))
    place = case.target if isinstance(case.target, tuple) else (case.target,)
    wanted = value[(slice(None), *place)]
    moved = sum(float(t.abs().sum()) for t in (*r.inputs, *r.bias.values(), r.stabilizer_total))
    closure = float(r.closure.abs().max()) / max(moved, 1e-30)
    same = bool(torch.allclose(r.target, wanted, rtol=1e-3, atol=1e-4))
    passes = _passes(case, explainer, rounds) if rounds else nothing
    return Row(name, same, closure, passes, "" if same else "another value than the model's")


def _passes(case: Case, explainer: lrp.LRP, rounds: int) -> float:
    """An explanation's processor time in units of a forward and backward pass."""

    def plain() -> None:
        case.model.zero_grad()
        case.model(**case.batch)[case.output].sum().backward()

    def explained() -> None:
        explainer.attribute(**case.batch, target=case.target, output=case.output)

    found = interleaved({"F": plain, "LRP": explained}, rounds)
    return found["LRP"] / found["F"]


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]


def rows(group: str, only: list[str], rounds: int) -> Iterator[Row]:
    """The rows of a group, all of it or only these names."""
    make, names = GROUPS[group]
    for name in filter(None, only if any(only) else names):
        yield measured(name, make, rounds)


def main() -> None:
    """Prints the table, or JSON."""
    chosen = options(
        __doc__,
        group={"default": "transformers", "choices": sorted(GROUPS), "help": "which library"},
        only={"default": "", "help": "names of the table, with commas between them (all)"},
        rounds={"default": 0, "help": "interleaved rounds that measure F (0: not measured)"},
    )
    warnings.filterwarnings("ignore")
    found = []
    for row in rows(chosen.group, chosen.only.split(","), chosen.rounds):
        found.append(row)
        if not chosen.json:
            says = "explained" if row.explained else "refused"
            print(
                f"{row.name:16}{says:10}{row.closure:10.1e}{row.F:7.2f}  {row.reason}", flush=True
            )
    closed = sum(row.explained and row.closure <= 1e-5 for row in found)
    if chosen.json:
        print(json.dumps([asdict(row) for row in found], indent=2))
    else:
        print(f"{closed} of {len(found)} explained with a closure of 1e-5 or less")


if __name__ == "__main__":
    main()
