"""The shipped profiles, parsed once."""

from pathlib import Path

import pytest

from gateway.regions.profile import parse_profile

REGIONS = Path(__file__).parents[2] / "specs" / "regions"


@pytest.fixture(scope="session")
def texts():
    """Give the text of each shipped profile by region."""
    return {file.stem: file.read_text("utf-8") for file in sorted(REGIONS.glob("*.toml"))}


@pytest.fixture(scope="session")
def profiles(texts):
    """Give each shipped profile by region."""
    return {name: parse_profile(text, f"{name}.toml") for name, text in texts.items()}


@pytest.fixture(scope="session")
def xiamen(profiles):
    """Give Xiamen's profile as it is shipped."""
    return profiles["xiamen"]
