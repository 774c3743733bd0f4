"""Models of other libraries, small, with random weights, and a batch as their users call them with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

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
    "mixtral": ("Mixtral", NEXT, {**GROUPED, "intermediate_size": 64, "num_local_experts": 4}),
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


TORCHVISION: dict[str, dict[str, Any]] = {
    # name -> settings; `size`: of a picture, 64 where it is not named
    "alexnet": {},
    "convnext_tiny": {},
    "deeplabv3_mobilenet_v3_large": {"weights_backbone": None},
    "densenet121": {},
    "efficientnet_b0": {},
    "fcn_resnet50": {"weights_backbone": None},
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False, "size": 96},
    "lraspp_mobilenet_v3_large": {"weights_backbone": None},
    "maxvit_t": {"size": 224},
    "mnasnet0_5": {},
    "mobilenet_v2": {},
    "mobilenet_v3_small": {},
    "regnet_x_400mf": {},
    "regnet_y_400mf": {},
    "resnet18": {},
    "resnet50": {},
    "resnext50_32x4d": {},
    "shufflenet_v2_x0_5": {},
    "squeezenet1_1": {},
    "swin_t": {},
    "swin_v2_t": {},
    "vgg11": {},
    "vgg11_bn": {},
    "vit_b_32": {"image_size": 64},
    "wide_resnet50_2": {},
}
TIMM: dict[str, dict[str, Any]] = {
    "botnet26t_256": {"size": 256},
    "caformer_s18": {},
    "cait_xxs24_224": {"img_size": 64},
    "coat_lite_tiny": {"img_size": 64},
    "convit_tiny": {"img_size": 64},
    "convmixer_768_32": {},
    "convnextv2_atto": {},
    "cs3darknet_s": {},
    "davit_tiny": {},
    "deit_tiny_patch16_224": {"img_size": 64},
    "dla34": {},
    "dpn48b": {},
    "edgenext_xx_small": {},
    "efficientformerv2_s0": {"size": 224},
    "efficientvit_b0": {},
    "efficientvit_m0": {"size": 224},
    "ese_vovnet19b_slim_dw": {},
    "eva02_tiny_patch14_224": {"img_size": 56},
    "fasternet_t0": {},
    "fastvit_t8": {},
    "focalnet_tiny_srf": {},
    "gcresnext26ts": {},
    "gcvit_xxtiny": {"size": 224},
    "ghostnet_050": {},
    "gmlp_ti16_224": {"img_size": 64},
    "hgnetv2_b0": {},
    "hrnet_w18_small": {},
    "inception_next_atto": {},
    "lcnet_050": {},
    "legacy_seresnet18": {},
    "levit_128s": {"size": 224},
    "mambaout_femto": {},
    "mixer_s32_224": {"img_size": 64},
    "mobilenetv3_small_050": {},
    "mobilevit_xxs": {},
    "nextvit_small": {},
    "nf_resnet26": {},
    "pvt_v2_b0": {},
    "regnetx_002": {},
    "repghostnet_050": {},
    "repvit_m0_9": {},
    "resnest14d": {},
    "resnetv2_18": {},
    "rexnet_100": {},
    "selecsls42": {},
    "shvit_s1": {},
    "skresnet18": {},
    "starnet_s1": {},
    "swiftformer_xs": {},
    "tiny_vit_5m_224": {"size": 224},
    "visformer_tiny": {"img_size": 64},
    "volo_d1_224": {"img_size": 64},
    "xcit_nano_12_p16_224": {},
}


@dataclass(frozen=True)
class Case:
    """A model with random weights, a call of it, and which of its outputs is explained at which target."""

    model: nn.Module
    args: tuple[Tensor, ...]
    batch: dict[str, Tensor]
    output: str | None
    target: Any
    composite: str

    def value(self) -> Tensor:
        """[B]: the explained value, by the model itself."""
        with torch.no_grad():
            y = self.model(*self.args, **self.batch)
        y = y if self.output is None else y[self.output]
        place = self.target if isinstance(self.target, tuple) else (self.target,)
        return y[(slice(None), *place)]  # type: ignore[no-any-return]


def awakened(model: nn.Module) -> nn.Module:
    """The model in eval mode without what is trivial in a fresh one: biases and heads of 0, norms that do nothing."""
    for parameter in model.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, parameter.mean().item(), 0.1)
        elif not bool(parameter.any()):
            nn.init.normal_(parameter, 0.0, 0.02)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0.0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.8, 1.2)
    return model.eval()


def transformer(name: str) -> Case:
    """A model of transformers, by its name in the table."""
    library = importlib.import_module("transformers")
    stem, head, settings = TRANSFORMERS[name]
    pictures = head == PICTURES or "Vision" in stem
    config = getattr(library, f"{stem}Config")(**({} if pictures else TOKENS), **settings)
    torch.manual_seed(0)
    model = awakened(getattr(library, stem + head)(config))
    if pictures:
        batch = {"pixel_values": torch.rand(SAMPLES, 3, 32, 32)}
    else:
        mask = torch.ones(SAMPLES, LENGTH, dtype=torch.long)
        mask[1, LENGTH - 2 :] = 0
        batch = {"input_ids": torch.randint(3, WORDS, mask.shape), "attention_mask": mask}
    if settings is PAIR or head == SEQ2SEQ:
        batch["decoder_input_ids"] = torch.randint(3, WORDS, (SAMPLES, 4))
    if "Model" in head and pictures:
        return Case(model, (), batch, "pooler_output", 1, "AttnLRP")
    target = 1 if head in (CLASSES, PICTURES) else (-1, 3)
    return Case(model, (), batch, "logits", target, "AttnLRP")


def torchvision_model(name: str) -> Case:
    """A model of torchvision; of segmentation, the class of the middle pixel is explained."""
    settings = dict(TORCHVISION[name])
    size = settings.pop("size", settings.get("image_size", 64))
    torch.manual_seed(0)
    make = importlib.import_module("torchvision.models").get_model
    model = awakened(make(name, weights=None, **settings))
    maps = "weights_backbone" in settings
    x = torch.rand(SAMPLES, 3, size, size)
    target = (1, size // 2, size // 2) if maps else 1
    return Case(model, (x,), {}, "out" if maps else None, target, "EpsilonPlus")


def timm_model(name: str) -> Case:
    """A model of timm."""
    settings = dict(TIMM[name])
    size = settings.pop("size", settings.get("img_size", 64))
    torch.manual_seed(0)
    make = importlib.import_module("timm").create_model
    model = awakened(make(name, pretrained=False, **settings))
    return Case(model, (torch.rand(SAMPLES, 3, size, size),), {}, None, 1, "EpsilonPlus")


GROUPS: dict[str, tuple[Callable[[str], Case], tuple[str, ...]]] = {
    "torchvision": (torchvision_model, tuple(TORCHVISION)),
    "timm": (timm_model, tuple(TIMM)),
    "transformers": (transformer, tuple(TRANSFORMERS)),
}
