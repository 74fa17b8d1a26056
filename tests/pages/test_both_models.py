"""Every page on each bundled model: the shaped one, and the plain one with its blanks, digits and many-token answers.

Nothing here depends on how well a model does its sums: what a page says is compared with what transformers alone gives.
"""

import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.bias.measure import measure_bias, paper_words
from core.hooks import ScaleHead
from core.lora.series import own_folder, read_series
from core.lora.settings import LoraSettings
from core.model.source import BUNDLED
from core.prompts.arithmetic import make_prompts
from pages.shared.resources import residence
from pages.shared.words import code, percent
from tests.pages.test_arithmetic_heads import texts
from tests.pages.test_lora import press, wait
from tests.pages.test_what_if import answers, by_hand, on_bench
from tests.some import some

PLAIN = "bundled/plain"
PAGES = {
    "ask": "Ask the model",
    "arithmetic_heads": "Arithmetic heads",
    "logic_chain": "CNA logic chain",
    "find_neurons": "Find neurons",
    "mediation": "Causal mediation",
    "lora": "LoRA comparison",
    "pruning": "Pruning",
    "what_if": "What-if",
    "gender": "Gender bias",
}


@pytest.fixture(scope="module", params=BUNDLED)
def lm(request):
    """Each bundled model in turn, which is the app's while these tests run."""
    residence().change(request.param, "auto", by="the test")
    yield residence().model()
    residence().change("bundled", "auto", by="the test")


@pytest.fixture
def own_data(monkeypatch, tmp_path):
    """A person's own data, empty, so that what is trained here is the only series."""
    monkeypatch.setenv("ABACUS_DATA", str(tmp_path / "data"))
    nothing = {name: tmp_path / "shipped" for name in BUNDLED}
    monkeypatch.setattr("core.lora.series.SHIPPED", nothing)
    return tmp_path


def opened(page, **query) -> AppTest:
    app = AppTest.from_file("../../app.py", default_timeout=240)
    app.query_params.update(query)
    app.run()
    if page != "ask":
        app.switch_page(f"pages/{page}/page.py").run()
    return fine(wait(app))


def fine(app) -> AppTest:
    assert not app.exception
    assert [e.value for e in app.error] == []
    return app


def table(app, column):
    return next(d.value for d in app.dataframe if column in d.value.columns)


def captions(app) -> str:
    return "\n".join(c.value for c in app.caption)


def greedy(lm, prompt, tokens=12) -> str:
    """What transformers' own `generate` writes after a prompt."""
    ids = torch.tensor([lm.encode(prompt)])
    written = lm.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False)
    return lm.tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True).strip()


def teacher_forced(lm, prompt) -> list[bool]:
    """Whether transformers alone predicts each digit of a prompt's answer, after the right ones before it."""
    ids = lm.tokenizer(f"{prompt.text} {prompt.answer}")["input_ids"]
    with torch.no_grad():
        best = lm.model(torch.tensor([ids])).logits[0].argmax(-1).tolist()
    right = [(ids[at], best[at - 1]) for at in range(len(ids)) if lm.tokenizer.decode(ids[: at + 1]).strip()]
    return [wanted == found for wanted, found in right[-len(prompt.answer) :]]


@pytest.mark.parametrize("lm", [PLAIN], indirect=True)  # other tests open every page on the shaped one
@pytest.mark.parametrize("page", PAGES)
def test_first_look(lm, page):
    app = opened(page)
    assert app.title[0].value == PAGES[page]
    assert f"**Model** `{lm.name}`" in texts(app)


@pytest.mark.parametrize("prompt", ["3 + 5 =", "3+5=", "34 + 28 =", "The capital of France is"])
def test_ask_tells_what_the_model_writes(lm, prompt):
    app = opened("ask", prompt=prompt)
    assert f"Continuing with the most likely token each time: {code(greedy(lm, prompt))}" in texts(app)
    blanks = len(lm.encode_for_answer(prompt)) - len(lm.encode(prompt))
    assert ("The model itself predicts the blank before its answer" in texts(app) + captions(app)) == (blanks == 1)
    if lm.name == PLAIN and prompt == "3 + 5 =":
        assert blanks == 1


def test_ask_refuses_no_text_on_a_vocabulary_with_bytes(lm):
    prompt = "zzyzx ∑ 7 + 7 ="
    app = AppTest.from_file("../../app.py", default_timeout=240)
    app.query_params["prompt"] = prompt
    wait(app.run())
    assert not app.exception
    if lm.name == PLAIN:
        assert "Continuing with the most likely token each time: " in texts(fine(app))
    else:
        assert "does not know 'zzyzx'" in app.error[0].value


def test_arithmetic_heads(lm):
    app = opened("arithmetic_heads")
    app.button_group(key="operations").set_value(["+", "*"])
    app.button_group(key="digits").set_value([2])
    app.slider(key="count").set_value(5)
    fine(press(app, "Run"))
    prompts = make_prompts(["+", "*"], [2], count=5)
    with_all_heads = app.dataframe[0].value.iloc[0]
    for operation in ("+", "*"):
        right = [case for prompt in prompts if prompt.operation == operation for case in teacher_forced(lm, prompt)]
        assert len(right) > 5  # answers of several digits
        assert with_all_heads[operation] == pytest.approx(sum(right) / len(right))


def test_logic_chain(lm):
    app = opened("logic_chain", chain_prompt="3 + 5 =")
    assert [h.value[0] for h in app.header] == ["1", "2", "3", "4", "5", "6"]
    ids = torch.tensor([lm.encode_for_answer("3 + 5 =")])
    with torch.no_grad():
        logits = lm.model(ids).logits[0, -1]
    token, probability = int(logits.argmax()), float(logits.softmax(-1).max())
    assert f"{code(lm.token(token))} goes from {percent(probability)} to " in texts(app)
    assert len(table(app, "importance_first")) == 99
    app.slider(key="set_count").set_value(5)
    app.button_group(key="set_digits").set_value([2])
    fine(press(app, "Measure"))
    cases = table(app, "place")
    assert cases["token"].tolist() == [row["answer"][row["place"]] for _, row in cases.iterrows()]


def test_the_shallow_filter(lm):
    app = opened("logic_chain", shallow_count="5", shallow_draws="1")
    [b for b in app.button if b.label == "Measure"][1].click().run()
    fine(wait(app))
    shown = table(app, "control_decrease")
    assert len(shown) == 4
    assert shown["neurons"].is_monotonic_decreasing


def test_find_neurons(lm):
    app = opened("find_neurons")
    assert len(table(app, "top_tokens")) == 50
    app.text_input(key="word").set_value("7")
    fine(press(app, "Search"))
    found = table(app, "top_tokens")
    assert all("7" in row.split() for row in some(found["top_tokens"][found["rank"] <= 10]))


def test_mediation(lm):
    app = opened("mediation")
    app.slider(key="pairs").set_value(5)
    fine(press(app, "Run"))
    assert "5 pairs, such as" in texts(app)
    fine(press(app, "Measure heads and neurons"))
    assert {"first operand", "operator", "second operand", "last"} <= set(table(app, "site")["group"])


@pytest.mark.parametrize("lm", [PLAIN], indirect=True)  # on the shaped one, test_lora does the same
def test_lora_and_pruning(lm, own_data):
    app = opened("lora")
    assert "There is no adapter for this model yet" in texts(app)
    app.multiselect(key="lora_layers").set_value([6])
    app.number_input(key="lora_rank").set_value(1)
    app.number_input(key="lora_epochs").set_value(1)
    app.number_input(key="lora_prompts").set_value(40)
    press(app, "Train")
    fine(wait(app.run()))
    settings = LoraSettings(rank=1, alpha=2, epochs=1, n_train=40)
    (about,) = read_series(lm, own_folder(lm, settings)).finished
    shown = next(d.value for d in app.dataframe if list(d.value.index) == ["none", "layer 6"])
    assert shown.loc["none", "all"] == about.base["all"]
    app = opened("pruning")
    app.number_input(key="prune_from").set_value(7)
    app.number_input(key="prune_top").set_value(5)
    fine(press(app, "Find"))
    assert "The union of the top 5 of " in texts(app)


def test_what_if_exports_and_finds_again(lm, tmp_path):
    app = opened("what_if", bench_prompts="3 + 5 =\n34 + 28 =", bench_count="5")
    assert answers(app)["original"].tolist() == [greedy(lm, prompt) for prompt in ("3 + 5 =", "34 + 28 =")]
    fine(by_hand(app, "3_7", "head"))
    assert any(f"load_model('{lm.name}'" in c.value for c in app.code)
    assert any(f"source = '{BUNDLED[lm.name]}'" in c.value for c in app.code)
    folder = tmp_path / "edited"
    app.text_input(key="export folder").set_value(str(folder))
    fine(press(app, "Export"))
    assert "2 of 2 prompts" in "\n".join(e.value for e in app.success)
    app.text_input(key="compare folder").set_value(str(folder))
    fine(press(app, "Compare"))
    press(app, "Clear")
    fine(press(app, "Use these edits"))
    assert on_bench(app).active == (ScaleHead(3, 7, 0.0),)


def test_gender(lm):
    app = opened("gender")
    fine(press(app, "Run"))
    assert f"Total bias is **{measure_bias(lm, paper_words()).total:.2f} [" in texts(app)
    app.slider(key="bias_count").set_value(5)
    app.slider(key="bias_draws").set_value(2).run()
    fine(press(wait(app), "Edit these neurons"))
    edited = table(app, "mean size")
    assert list(edited.index) == ["original", "edited", "change"]
