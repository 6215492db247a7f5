"""The documents say what the code says."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.app.documents import documents
from gateway.app.settings import Settings, load_settings
from gateway.app.specifications import Specifications, shipped_directory

DOCS = Path(__file__).parents[2] / "docs"
GENERATED = documents(Specifications(shipped_directory()))


@pytest.mark.parametrize("name", GENERATED)
def test_generated_document_is_fresh(name):
    """A generated document is what the code would write now; `make docs` mends it."""
    assert (DOCS / name).read_text(encoding="utf-8") == GENERATED[name]


@pytest.fixture(name="example")
def _example(tmp_path, request):
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    file = tmp_path / "gateway.toml"
    whole_and_shortest = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    file.write_text(whole_and_shortest[getattr(request, "param", 0)], encoding="utf-8")
    return file


@pytest.mark.parametrize("example", [0, 1], indirect=True, ids=["whole", "shortest"])
def test_example_configuration_loads(example):
    """Both configurations of the operator's document are such as the gateway takes."""
    settings = load_settings(example)

    assert settings.core_link == "core"


def test_example_configuration_leaves_no_key_out(example):
    """Every key that the gateway knows is explained by the example."""
    text = example.read_text(encoding="utf-8")

    missing = [key for key in sorted(_keys(Settings)) if not re.search(rf"\b{key}\b", text)]

    assert missing == []


def test_every_link_between_documents_leads_somewhere():
    """No document points to a file that is not there."""
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    targets = [
        (page, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
        if "://" not in target
    ]

    broken = [
        f"{page.name}: {target}" for page, target in targets if not (page.parent / target).exists()
    ]

    assert targets
    assert broken == []


def _keys(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for inner in _models(field.annotation):
            found |= _keys(inner)
    return found


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]
