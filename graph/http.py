"""HTTP sessions with a connection pool, shared by threads."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter


def session(url: str, connections: int) -> requests.Session:
    """A session for one server. Proxies of the environment are for the outside, not for this machine."""
    made = requests.Session()
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    if urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1"):
        made.trust_env = False
    return made
