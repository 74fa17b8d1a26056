"""Python code that repeats an edit, with plain transformers hooks or with `core`."""

from core.edits.edit_set import place_of
from core.edits.recipe import Recipe
from core.model.hub import hub_id_of
from core.model.load import LoadedModel
from core.model.source import BUNDLED

_DTYPE = {"fp32": "torch.float32", "bf16": "torch.bfloat16", "fp16": "torch.float16", "int8": "torch.float16"}


_PLAIN = '''"""{title}"""
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer{imports}

source = {source!r}
tokenizer = AutoTokenizer.from_pretrained(source{revision})
model = AutoModelForCausalLM.from_pretrained(
    source{revision}, dtype={dtype}{quantized}, device_map={{"": "cuda" if torch.cuda.is_available() else "cpu"}}
).eval()

# (module, first column, columns, factor): heads are slices of the input of the attention output map,
# neurons entries of the input of the FFN output map
edits = [
{edits}
]


def scale(start, width, factor):
    def hook(module, args):
        value = args[0].clone()
        value[..., start : start + width] = 0 if factor == 0 else value[..., start : start + width] * factor
        return (value, *args[1:])
    return hook


for module, start, width, factor in edits:
    model.get_submodule(module).register_forward_pre_hook(scale(start, width, factor))

prompt = {prompt!r}
with torch.no_grad():
    logits = model(**tokenizer(prompt, return_tensors="pt", return_token_type_ids=False).to(model.device)).logits[0]
print(repr(tokenizer.decode([int(logits[-1].argmax())])))
'''


_CORE = '''"""{title}"""
from core.hooks import ScaleHead, ScaleNeuron, intervene
from core.model import load_model

lm = load_model({source!r}, precision={precision!r})
edits = [
{edits}
]
prompt = {prompt!r}
with intervene(lm, *edits):
    logits = lm.logits(lm.encode(prompt))
print(repr(lm.token(int(logits[-1].argmax()))))
'''


def plain_snippet(lm: LoadedModel, recipe: Recipe, prompt: str = "3+5=") -> str:
    """Code that needs transformers only; it ends with `logits` [pos, vocab] of the edited model."""
    names = {id(module): name for name, module in lm.model.named_modules()}
    rows = []
    for edit in recipe.edits:
        kind, layer, index = place_of(edit)
        module = lm.modules.head_output(layer) if kind == "head" else lm.modules.neuron_output(layer)
        width = lm.d_head if kind == "head" else 1
        rows.append(f"    ({names[id(module)]!r}, {index * width}, {width}, {float(edit.factor)!r}),")
    int8 = lm.precision == "int8"
    return _PLAIN.format(
        title=_docstring(recipe),
        source=str(BUNDLED[lm.name]) if lm.name in BUNDLED else hub_id_of(lm.name, lm.revision),
        revision=f", revision={lm.revision!r}" if lm.revision else "",
        dtype=_DTYPE[lm.precision],
        imports=", BitsAndBytesConfig" if int8 else "",
        quantized=", quantization_config=BitsAndBytesConfig(load_in_8bit=True)" if int8 else "",
        edits="\n".join(rows),
        prompt=prompt,
    )


def core_snippet(lm: LoadedModel, recipe: Recipe, prompt: str = "3+5=") -> str:
    """Code that needs Abacus's `core`; it ends with `logits` [pos, vocab] of the edited model."""
    rows = []
    for edit in recipe.edits:
        kind, layer, index = place_of(edit)
        rows.append(f"    Scale{kind.capitalize()}({layer}, {index}, {float(edit.factor)!r}),")
    source = lm.name if lm.revision is None else f"{hub_id_of(lm.name, lm.revision)}@{lm.revision}"
    return _CORE.format(
        title=_docstring(recipe), source=source, precision=lm.precision, edits="\n".join(rows), prompt=prompt
    )


def _docstring(recipe: Recipe) -> str:
    """The title as the inside of a docstring, whatever it holds."""
    title = " ".join(recipe.title.split()) or "An edited model"
    safe = title.replace("\\", "/").replace('"', "'")
    return f"{safe}: {recipe.model.name}, fingerprint {recipe.model.fingerprint}.".replace("\\", "/").replace('"', "'")
