"""Model folders into memory: the base, and adapters that are shown to be applied.

Threads are pinned, because logits depend on how many there are (seen: 3e-5).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import inspect
import json
import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from ethogram.source.obtain import SourceError
from ethogram.source.precision import precision, weights_dtype
from ethogram.specs.models import Source

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Numbers of glibc's mallopt(3)."""
THREADS_VARIABLE = "ETHOGRAM_THREADS"
ALIGNED = "ethogram_aligned"
"""What transformers calls the attention of `source/aligned.py`."""
DEFAULT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"
)
"""Used for a model that has no chat template of its own."""


@dataclass
class Loaded:
    """A model in memory with its tokenizer."""

    model: Any
    tokenizer: Any
    device: torch.device
    shared: int = 0
    """How many of its lowest layers are the source's own."""


def keep_memory() -> None:
    """Let glibc keep freed blocks instead of returning them to the kernel (Linux only).

    Every forward pass asks for the same large buffers again; mapping them anew each time cost up
    to a third of the run in page faults.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        allocator = ctypes.CDLL(None).mallopt
        allocator(M_MMAP_MAX, 0)
        allocator(M_TRIM_THRESHOLD, 2**31 - 1)
        allocator(M_TOP_PAD, 2**26)


def give_back() -> None:
    """Between two models: return to the system what the last one left behind.

    What `keep_memory` keeps fits the next model badly, and without this the process grows with every
    one that is loaded. Modules and their wrappers hold each other, so that nothing is free before
    it is collected.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def pin_threads(threads: int | None = None) -> int:
    """Use so many threads, else as many as ETHOGRAM_THREADS says, else one a core; returns the number.

    Raises SourceError where the variable holds no such number.
    """
    if not threads:
        told = os.environ.get(THREADS_VARIABLE) or str(os.cpu_count() or 1)
        if not (told.isdecimal() and int(told)):
            raise SourceError(f"{THREADS_VARIABLE} is {told!r}: give a whole number from 1")
        threads = int(told)
    torch.set_num_threads(threads)
    return threads


def device_of(source: Source) -> torch.device:
    """The device that the source names; for `auto` a GPU if there is one."""
    if source.device != "auto":
        return torch.device(source.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_base(folder: Path, source: Source, *, quantize: Literal["4bit"] | None = None) -> Loaded:
    """Load a model folder. Raises SourceError when transformers cannot, or has to invent weights.

    `quantize` holds the weights in four bits (CUDA and bitsandbytes only).
    """
    pin_threads()
    give_back()
    keep_memory()
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = load_tokenizer(folder, source)
        model, found = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, weights_dtype(source)),
            use_safetensors=True,
            trust_remote_code=source.trust_remote_code,
            output_loading_info=True,
            **(_four_bits(source) if quantize else {}),
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # tokenizers and safetensors raise bare Exceptions
        raise SourceError(f"{folder} cannot be loaded: {error}") from error
    # transformers only warns, and fills such tensors with random numbers.
    if found["missing_keys"]:
        first = sorted(found["missing_keys"])[0]
        raise SourceError(f"{folder} lacks {len(found['missing_keys'])} tensors (first: {first})")
    device = device_of(source)
    # Quantised weights are on their device already, and refuse to be moved.
    model = (model if quantize else model.to(device)).eval()
    return Loaded(model, tokenizer, device, model.config.get_text_config().num_hidden_layers)


def ready(loaded: Loaded, source: Source, *, whole: bool = False) -> Loaded:
    """The model as it is computed. With `mixed`, linear layers and attention multiply in bfloat16.

    Norms, embeddings, the sums between layers and the head stay in float32: logits of bfloat16 are
    a sixteenth of a nat apart. Linear layers hold their weights rounded, so that no pass has to do
    it; adapters are merged before. `whole` leaves weights as they are, for a training of them.
    """
    if precision(source) != "mixed":
        return loaded
    model, kind = loaded.model, loaded.device.type
    head = model.get_output_embeddings()
    for module in () if whole else model.modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            module.to(torch.bfloat16)
    if head is not None:
        plain = head.forward

        def in_full(hidden: torch.Tensor) -> torch.Tensor:
            with torch.autocast(kind, enabled=False):
                logits: torch.Tensor = plain(hidden.float())
                return logits

        head.forward = in_full
    # Every caller is covered, also peft's wrappers, which call the model's own forward.
    in_bfloat16(model, loaded.device)
    return loaded


def in_bfloat16(module: Any, device: torch.device) -> None:
    """Let the module's forward pass multiply in bfloat16."""
    module.forward = torch.autocast(device.type, torch.bfloat16)(module.forward)


def load_tokenizer(folder: Path, source: Source) -> Any:
    """The folder's tokenizer with the chat template that the source names, or a plain one."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=source.trust_remote_code)
    if source.template:
        tokenizer.chat_template = source.template
    elif not tokenizer.chat_template:
        tokenizer.chat_template = DEFAULT_TEMPLATE
    return tokenizer


def _four_bits(source: Source) -> dict[str, Any]:
    """NF4 with double quantisation, as in QLoRA (Dettmers et al. 2023, arXiv 2305.14314)."""
    kind = precision(source)
    compute = torch.bfloat16 if kind == "mixed" else getattr(torch, kind)
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": config, "device_map": {"": str(device_of(source))}}


def sees_all(model: Any) -> bool:
    """Whether every layer attends to all that came before, by a mask that can be given."""
    text = model.config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(text, "sliding_window", None):
        return False
    return getattr(model.config, "_attn_implementation", None) in ("sdpa", "eager", ALIGNED)


def cached(model: Any, cache: Any) -> dict[str, Any]:
    """The arguments that hand a key-value cache, or None, to the model's forward pass.

    transformers calls it `cache` from 5.24 on and `past_key_values` before.
    """
    if cache is None:
        return {"use_cache": False}
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    named = "cache" in inspect.signature(type(plain).forward).parameters
    return {"cache" if named else "past_key_values": cache, "use_cache": True}


def attach_adapter(base: Loaded, folder: Path) -> Loaded:
    """The base with the adapter merged in.

    Raises SourceError when the adapter is a pickle, when its tensors are not exactly those that
    its configuration calls for (peft only warns), or when it changes no logit.
    """
    from peft import LoraConfig, PeftConfig, get_peft_model, set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights = folder / "adapter_model.safetensors"
    if not weights.is_file():
        pickled = (folder / "adapter_model.bin").exists()
        reason = (
            "only a pickle, which could run code" if pickled else "no adapter_model.safetensors"
        )
        raise SourceError(f"{folder} holds {reason}; save the adapter as safetensors")
    try:
        config = PeftConfig.from_pretrained(str(folder))
        state = load_file(weights)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise SourceError(f"the adapter {folder} cannot be read: {error}") from error
    if not isinstance(config, LoraConfig):
        raise SourceError(f"{folder} is a {config.peft_type} adapter; LoRA adapters are supported")
    config.inference_mode = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            adapted = get_peft_model(base.model, config)
            result = set_peft_model_state_dict(adapted, state)
        except (RuntimeError, ValueError, KeyError) as error:
            raise SourceError(f"the adapter {folder} does not fit its base: {error}") from error
    _refuse_partial(folder, adapted, state, result)
    adapted.eval()
    _refuse_idle(folder, adapted, base)
    shared = min(base.shared, _first_layer(state))
    return Loaded(adapted.merge_and_unload(), base.tokenizer, base.device, shared)


def _first_layer(state: Iterable[str]) -> int:
    """The lowest layer that an adapter's tensors belong to; 0 where one belongs to none."""
    found = [re.search(r"\.layers\.(\d+)\.", name) for name in state]
    return min(int(match[1]) if match else 0 for match in found)


def _refuse_partial(folder: Path, adapted: Any, state: dict[str, Any], result: Any) -> None:
    from peft import get_peft_model_state_dict

    wanted = set(get_peft_model_state_dict(adapted))
    absent = sorted(wanted - set(state))
    extra = sorted({*getattr(result, "unexpected_keys", ()), *(set(state) - wanted)})
    if absent or extra:
        parts = [f"{len(absent)} tensors are missing (first: {absent[0]})"] if absent else []
        parts += [f"{len(extra)} fit nowhere (first: {extra[0]})"] if extra else []
        raise SourceError(f"the adapter {folder} does not fit its base: {'; '.join(parts)}")


def _refuse_idle(folder: Path, adapted: Any, base: Loaded) -> None:
    probe = torch.arange(8, device=base.device).unsqueeze(0) + 5
    with torch.inference_mode():
        with_adapter = adapted(input_ids=probe).logits
        with adapted.disable_adapter():
            without = adapted(input_ids=probe).logits
    if not torch.isfinite(with_adapter).all():
        raise SourceError(f"the adapter {folder} makes the model's logits non-finite")
    if torch.equal(with_adapter, without):
        raise SourceError(f"the adapter {folder} changes nothing: no logit differs from its base")


def portable_config(folder: Path, source_id: str) -> None:
    """Write the source's id, not this machine's path, into the adapter's configuration.

    peft keeps sets, whose order differs between processes; sorted, equal adapters have equal files.
    """
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = source_id
    for name in ("target_modules", "modules_to_save"):
        if isinstance(config.get(name), list):
            config[name] = sorted(config[name])
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
