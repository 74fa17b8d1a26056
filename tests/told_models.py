"""Small Llamas that are told what to predict: for example a blank before every answer, as Llama-1 and 2 write it."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.model.load import LoadedModel, load_model

PIECES = ["<unk>", "<s>", "</s>", "\u2581", *"0123456789+=-*/."]
BLANK, EIGHT, EQUALS = PIECES.index("\u2581"), PIECES.index("8"), PIECES.index("=")


def tokenizer_of(joined: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """Llama's way: a space is a token of its own, unless it is joined with what stands beside it."""
    merges = [(piece[:-1], piece[-1]) for piece in joined]
    vocabulary = {piece: i for i, piece in enumerate([*PIECES, *joined])}
    plain = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    plain.pre_tokenizer, plain.decoder = pre_tokenizers.Metaspace(split=False), decoders.Metaspace()
    plain.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def predicting(folder, follows: dict[int, int], joined: tuple[str, ...] = (), n_context: int = 12) -> LoadedModel:
    """A Llama whose next token depends on the last one only: `follows`, else a blank."""
    n = len(PIECES) + len(joined)
    config = LlamaConfig(
        vocab_size=n,
        hidden_size=n + n % 2,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=128,
        max_position_embeddings=n_context,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    for parameter in model.model.layers.parameters():
        torch.nn.init.zeros_(parameter)  # the layers write nothing
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(n, config.hidden_size))
        model.lm_head.weight.zero_()
        for token in range(n):
            model.lm_head.weight[follows.get(token, BLANK), token] = 1.0
    model.save_pretrained(folder)
    tokenizer_of(joined).save_pretrained(folder)
    return load_model(folder, "fp32")
