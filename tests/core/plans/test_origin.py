"""Where results come from."""

from dataclasses import replace

from core.plans.origin import FORMAT, Origin
from core.reading import read_as


def test_it_names_model_machine_and_versions(bundled):
    origin = Origin.of(bundled)
    assert (origin.fingerprint, origin.precision, origin.device) == (bundled.fingerprint, "fp32", "cpu")
    assert set(origin.versions) == {"abacus", "python", "torch", "transformers"}
    assert read_as(Origin, origin.to_json(), "It", "Again.") == origin
    assert origin.format == FORMAT
    assert origin.other_model(bundled) is None
    assert origin.difference(bundled) is None


def test_what_differs_is_said(bundled):
    origin = Origin.of(bundled)
    assert "another model" in str(replace(origin, fingerprint="x").difference(bundled))
    assert "another model" in str(replace(origin, fingerprint="x").other_model(bundled))
    assert "in bf16 on cpu, not in fp32 on cpu" in str(replace(origin, precision="bf16").difference(bundled))
    older = replace(origin, versions={**origin.versions, "torch": "1.0"})
    assert "torch 1.0, not " in str(older.difference(bundled))
    assert older.other_model(bundled) is None
