"""User and password in a camera's address: taken out before the address is shown or kept."""

from __future__ import annotations

import re
from urllib.parse import unquote

from sam_edge.errors import InputError
from sam_edge.gaze.adapters.rtsp_login import RtspLogin, mask_login


def split_login(url: str) -> tuple[str, RtspLogin | None]:
    """Return an address without user and password, and both decoded.

    Raises:
        InputError: the user name is empty, or a special character in them is not percent-encoded.
    """
    scheme, _, rest = url.partition("//")
    authority, slash, path = rest.partition("/")
    given, at, place = authority.rpartition("@")
    if not at:
        if "@" in path.partition("?")[0] and re.search(r":\D*$|:.*\D", authority):
            raise InputError(
                f"url {mask_login(url)!r}: user or password holds a character that ends the address's first part; "
                "write / as %2F, ? as %3F, # as %23 and @ as %40"
            )
        return url, None
    user, colon, password = given.partition(":")
    if not user or not colon:
        raise InputError(
            f"url {mask_login(url)!r}: user or password is missing; accepted is {scheme}//USER:PASSWORD@HOST/PATH"
        )
    return f"{scheme}//{place}{slash}{path}", RtspLogin(unquote(user), unquote(password))
