"""The most likely next tokens as a table, as charts show them."""

import pandas as pd
import torch
from torch import Tensor

from core.model.load import LoadedModel
from pages.shared.words import visible


def next_tokens(lm: LoadedModel, logits: Tensor, n: int = 10) -> pd.DataFrame:
    """Columns token, id, probability, most likely first; tokens with the same text are told apart by their ids."""
    best = torch.softmax(logits, -1).topk(min(n, lm.n_vocab))
    ids = best.indices.tolist()
    tokens = [visible(lm.token(i)) for i in ids]
    shown = [f"{t} (id {i})" if tokens.count(t) > 1 else t for t, i in zip(tokens, ids, strict=True)]
    return pd.DataFrame({"token": shown, "id": ids, "probability": best.values.tolist()})
