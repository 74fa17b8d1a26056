"""The commands of `python -m core`: what they print and with which code they exit."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.__main__ import COMMANDS, main, printed
from core.edits.export import export_edited
from core.hooks import ScaleHead, ScaleNeuron
from core.lora.series import train_series
from core.lora.settings import LoraSettings
from core.model.load import load_model
from core.progress import Stopped

ROOT = Path(__file__).resolve().parents[2]
EDITS = (ScaleHead(2, 7, 0.0), ScaleNeuron(5, 100, 0.5))
SETTINGS = LoraSettings(rank=2, alpha=4, epochs=1, batch=8, n_train=40, n_test=30)


@pytest.fixture
def interrupts():
    """What Ctrl-C does is set back after a command has changed it."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_edited_model_is_told_from_one_that_is_not(bundled, tmp_path, capsys):
    folder = export_edited(bundled, EDITS, tmp_path / "edited")
    assert main(["detect", "bundled", str(folder)]) == 1
    told = capsys.readouterr().out
    assert "1 head and 1 neuron" in told
    assert "2_7" in told
    assert "zeroed" in told
    assert main(["detect", "bundled", "bundled"]) == 0
    assert "No difference" in capsys.readouterr().out


def test_what_cannot_be_compared(capsys):
    assert main(["detect", "bundled", "/no/such"]) == 2
    assert "does not exist" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["detect", "bundled"])
    assert left.value.code == 2
    assert "FOLDER" in capsys.readouterr().err


def test_report(checkpoints, tmp_path, capsys, interrupts):
    folder = checkpoints("grouped-query")
    train_series(load_model(folder, "fp32"), tmp_path / "series", SETTINGS)
    asked = ["--model", str(folder), "--precision", "fp32", "--series", str(tmp_path / "series")]
    options = ["--out", str(tmp_path / "report"), "--from-layer", "2", "--two-digit", "20", "--seeds", "0"]
    assert main(["lora-report", *asked, *options, "--share", "0.5"]) == 0
    told = capsys.readouterr().out
    assert "retained" in told
    assert "layers 2 and up" in told


def test_a_report_without_a_series(checkpoints, tmp_path, capsys):
    folder = str(checkpoints("llama"))
    assert main(["lora-report", "--model", folder, "--precision", "fp32", "--out", str(tmp_path)]) == 1
    assert f"No adapters were shipped with {folder}. Train some (lora-series)" in capsys.readouterr().err


def test_a_plan_is_run_and_continued(tmp_path, capsys):
    plan, out = tmp_path / "plan.toml", tmp_path / "results"
    plan.write_text('[[analysis]]\nwhat = "sweep"\ncount = 1\noperations = ["+"]')
    asked = ["run", str(plan), "--out", str(out)]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "1 of 1, sweep: 100%" in told
    assert str(out) in told
    assert (out / "1-sweep" / "heads.csv").is_file()
    assert main(asked) == 0
    assert "1 of 1, sweep: there already" in capsys.readouterr().out
    plan.write_text('[[analysis]]\nwhat = "sweep"\ncount = 2')
    assert main(asked) == 1
    assert "results of another plan" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_measured(tmp_path, capsys, monkeypatch):
    (tmp_path / "plan.toml").write_text('[[analysis]]\nwhat = "sweep"\ncount = 1')

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("core.plans.terminal.Terminal.progress", interrupted)
    assert main(["run", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "results")]) == 130
    assert "the same command continues" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["lora-series", "lora-report"])
def test_input_that_cannot_be_used(command, tmp_path, capsys):
    assert main([command, "--model", "/no/such", "--out", str(tmp_path)]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_tells_its_options(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert " ".join(COMMANDS[command].about.split()[:4]) in capsys.readouterr().out


def test_ctrl_c_stops_at_the_next_step(interrupts, capsys):
    tell = printed()
    tell(1, 2)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(Stopped):
        tell(2, 2)


def test_help_does_not_wait_for_torch():
    code = "import sys; from core.__main__ import main\ntry: main(['--help'])\nfinally: print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout
    assert set(COMMANDS) <= set(told.split())
    assert told.splitlines()[-1] == "False"


def test_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "core", "detect", "bundled", "bundled"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "No difference" in done.stdout
