"""Recipes in links: compressed text that an address may hold."""

import base64
import binascii
import zlib

from core.edits.recipe import MOST_BYTES, Recipe, read_recipe
from core.errors import UserError

LONGEST = 6000  # longer addresses are cut by some programs


def to_link(recipe: Recipe) -> str:
    """The recipe as text for an address.

    Raises:
        UserError: when it would be too long.
    """
    packed = zlib.compress(recipe.to_json().encode(), 9)
    text = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    if len(text) > LONGEST:
        raise UserError(
            f"These {len(recipe.edits):,} edits are too many for a link ({len(text):,} characters; links hold "
            f"{LONGEST:,}). Save the recipe and send the file."
        )
    return text


def from_link(text: str) -> Recipe:
    """Reads what `to_link` wrote.

    Raises:
        UserError: for a link that is cut off, or does not hold a recipe.
    """
    if len(text) > LONGEST:
        raise UserError(f"This link's edit has {len(text):,} characters; links hold {LONGEST:,}. Ask for the file.")
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        opening = zlib.decompressobj()
        content = opening.decompress(packed, MOST_BYTES + 1)  # no more, whatever the link claims to hold
        if len(content) <= MOST_BYTES and not opening.eof:
            raise zlib.error("it is cut off")
    except (binascii.Error, ValueError, zlib.error) as error:
        raise UserError("This link's edit cannot be read: it may have been cut off. Ask for it again.") from error
    return read_recipe(content)
