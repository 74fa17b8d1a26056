"""The forward pass in training, with the attention weights, neurons and heads that the penalties need.

The same function of the same weights as `LlamaForCausalLM` (a test compares them), without hooks, on packed rows.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaForCausalLM


@dataclass
class Trace:
    """One packed forward pass: B rows, T positions, H heads, N neurons."""

    logits: Tensor  # (B, T, vocab)
    scores: list[Tensor]  # a layer: (B, H, T, T), attention before the softmax, -inf where blocked
    neurons: list[Tensor]  # a layer: (B, T, N), |coefficient| times the length of its value
    heads: list[Tensor]  # a layer: (B, T, H), length of the head's own output
    stream: list[Tensor]  # (B, T) before the first and after every layer: length of the residual stream
    ffn: list[Tensor]  # a layer: (B, T, d), what the FFN adds
    coefficient: list[Tensor]  # a layer: (B, T, N)
    mid: list[Tensor]  # a layer: (B, T, d), the residual stream between attention and FFN
    final: Tensor  # (B, T, d), the residual stream after the last layer


def _norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    x32 = x.float()
    return weight * (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + eps))


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * cos + turned * sin


def forward(
    model: LlamaForCausalLM,
    ids: Tensor,
    positions: Tensor,
    visible: Tensor,
    keep_head: Tensor | None = None,
    keep_neuron: Tensor | None = None,
) -> Trace:
    """Runs packed rows; 0 and 1 in `keep_head` [layer, row, head] and `keep_neuron` [layer, row, neuron] drop them."""
    config = model.config
    n_heads, eps = int(config.num_attention_heads), config.rms_norm_eps
    d_head = int(config.hidden_size) // n_heads
    B, T = ids.shape  # noqa: N806 - shapes are named as in the comments below
    cos, sin = model.model.rotary_emb(torch.empty(0, dtype=torch.float32), positions)
    cos, sin = cos[:, None], sin[:, None]  # (B, 1, T, d_head)
    blocked = torch.where(visible | torch.eye(T, dtype=torch.bool), 0.0, float("-inf"))[:, None]
    trace = Trace(torch.empty(0), [], [], [], [], [], [], [], torch.empty(0))
    x = model.model.embed_tokens(ids)
    trace.stream.append(x.detach().norm(dim=-1))
    for number, layer in enumerate(model.model.layers):
        att, mlp = layer.self_attn, layer.mlp
        n = _norm(x, layer.input_layernorm.weight, eps)
        q, k, v = (p(n).view(B, T, n_heads, d_head).transpose(1, 2) for p in (att.q_proj, att.k_proj, att.v_proj))
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        scores = (q @ k.transpose(2, 3)).float() * d_head**-0.5 + blocked  # (B, H, T, T)
        weights = torch.softmax(scores, -1)
        z = (weights.to(v.dtype) @ v).transpose(1, 2)  # (B, T, H, d_head)
        if keep_head is not None:
            z = z * keep_head[number][:, None, :, None]
        trace.scores.append(scores)
        output = att.o_proj.weight.float().view(-1, n_heads, d_head)
        gram = torch.einsum("dhi,dhj->hij", output, output)  # (H, d_head, d_head)
        z32 = z.float()
        square = (torch.einsum("bthi,hij->bthj", z32, gram) * z32).sum(-1)
        trace.heads.append(torch.sqrt(square.clamp_min(1e-8)))
        x = x + att.o_proj(z.reshape(B, T, -1)).float()
        trace.mid.append(x)
        n = _norm(x, layer.post_attention_layernorm.weight, eps)
        m = F.silu(mlp.gate_proj(n)) * mlp.up_proj(n)
        if keep_neuron is not None:
            m = m * keep_neuron[number][:, None].to(m.dtype)
        trace.coefficient.append(m)
        trace.neurons.append(m.float().abs() * mlp.down_proj.weight.norm(dim=0))
        trace.ffn.append(mlp.down_proj(m).float())
        x = x + trace.ffn[-1]
        trace.stream.append(x.detach().norm(dim=-1))
    trace.final = x
    trace.logits = model.lm_head(_norm(x, model.model.norm.weight, eps)).float()
    return trace
