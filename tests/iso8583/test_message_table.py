"""The message sets as a document."""

from gateway.iso8583.message_table import messages_markdown


def test_document_names_every_message_field_and_subfield(message_sets, dialects):
    """Nothing of the specifications is left out."""
    pairs = [(message_sets[name], dialects[name]) for name in ("bureau", "core")]

    text = messages_markdown(pairs)

    for message_set, dialect in pairs:
        assert all(f"### `{kind.name}`: {kind.title}" in text for kind in message_set.messages)
        assert all(subfield.title in text for subfield in message_set.private_subfields.values())
        assert all(f"| {de} | {f.name} | {f.format} |" in text for de, f in dialect.fields.items())


def test_every_row_of_a_table_has_as_many_cells_as_its_header(message_sets, dialects):
    """A bar inside a cell does not break the table."""
    text = messages_markdown([(message_sets["core"], dialects["core"])])

    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]

    assert blocks
    for block in blocks:
        assert len({line.replace("\\|", "").count("|") for line in block}) == 1
