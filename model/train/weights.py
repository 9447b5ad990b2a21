"""The catalogue's weights as a transformers model with a LoRA adapter of peft on it, and adapters on disk.

Knows GGUF's names of tensors and transformers'; knows nothing of rows, losses or schedules. Only Qwen2 is known, as to
the builder of graphs (`model/weights.py`).
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import Qwen2Config, Qwen2ForCausalLM

from foretype.model.backend import ModelError
from foretype.model.progress import Progress, silent
from foretype.model.store import CONFIG, RECORD, WEIGHTS
from foretype.model.train.files import replaced, write_tensors
from foretype.model.weights import Gguf

_PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_LAYER = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.v_proj.bias": "attn_v.bias",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


class AdapterError(ModelError):
    """An adapter cannot be trained on. The message tells a user what to do."""


def base_model(gguf: Gguf, dtype: torch.dtype, first: int, progress: Progress = silent) -> Qwen2ForCausalLM:
    """The file's weights, dequantized, frozen, on the CPU: in `dtype`, but the projections of the layers from `first`
    on, to which an adapter is added, in float32. Raises `BuildError`."""
    config = gguf.config
    with torch.device("meta"):
        model = Qwen2ForCausalLM(_transformers_config(gguf))
    names = {name: tensor for name, tensor in _TOP.items() if gguf.has(tensor)}
    for layer in range(config.layers):
        names |= {f"model.layers.{layer}.{name}": f"blk.{layer}.{tensor}" for name, tensor in _LAYER.items()}
    weights: dict[str, torch.Tensor] = {}
    for done, (name, tensor) in enumerate(names.items()):
        progress("reading the weights", done, len(names))
        adapted = "_proj." in name and int(name.split(".")[2]) >= first
        # a copy: what the file holds as float32 is the file's own memory
        weights[name] = torch.from_numpy(gguf.tensor(tensor).copy()).to(torch.float32 if adapted else dtype)
    weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
    model.load_state_dict(weights, assign=True)
    # its buffer was made without memory
    model.model.rotary_emb = type(model.model.rotary_emb)(config=model.config)
    return model.requires_grad_(False)


def new_adapter(model: Qwen2ForCausalLM, rank: int, first: int, seed: int) -> PeftModel:
    """The model with a fresh adapter, which changes nothing yet, on all projections of the layers from `first` on."""
    torch.manual_seed(seed)
    layers = list(range(first, model.config.num_hidden_layers))
    config = LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=rank, layers_to_transform=layers, target_modules=_PROJECTIONS
    )
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of transformers, about peft
        return get_peft_model(model, config)


def old_adapter(model: Qwen2ForCausalLM, folder: Path) -> PeftModel:
    """The model with the adapter of a folder, to be trained on. Raises `AdapterError` if it does not fit."""
    if not (folder / WEIGHTS).is_file():  # PEFT would take a pickled one, or look for one of that name on a hub
        raise AdapterError(f"there is no {folder / WEIGHTS}; give the folder of an adapter")
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of transformers, about peft
            return PeftModel.from_pretrained(model, folder, is_trainable=True, low_cpu_mem_usage=False)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise AdapterError(f"{folder}: not an adapter of this model in PEFT's layout ({line})") from error


def trained(model: PeftModel) -> dict[str, torch.nn.Parameter]:
    """The adapter's weights by PEFT's names in a file, float32, in an order that does not change."""
    found = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    return {name.replace(".default.", "."): weight for name, weight in sorted(found.items())}


def write_adapter(model: PeftModel, folder: Path, base_name: str, record: dict[str, Any]) -> int:
    """Writes the adapter in PEFT's layout, in bf16, with the record of how it was made; the bytes of its weights.
    Raises OSError, with an adapter that was there left as it was."""
    tensors = {name: weight.detach().to("cpu", torch.bfloat16) for name, weight in trained(model).items()}
    with replaced(folder / WEIGHTS) as path:
        write_tensors(path, tensors, {"format": "pt"})
    config = model.peft_config["default"]
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(config.target_modules),
        "layers_to_transform": list(config.layers_to_transform),
        "base_model_name_or_path": base_name,
        "inference_mode": True,
    }
    for name, value in ((CONFIG, settings), (RECORD, record)):
        with replaced(folder / name) as path:
            path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return (folder / WEIGHTS).stat().st_size


def _transformers_config(gguf: Gguf) -> Qwen2Config:
    config = gguf.config
    return Qwen2Config(
        vocab_size=config.vocabulary,
        hidden_size=config.hidden,
        intermediate_size=config.feed_forward,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim,
        max_position_embeddings=config.context,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
        rms_norm_eps=config.norm_epsilon,
        tie_word_embeddings=False,  # where one matrix is both, both names get it
    )
