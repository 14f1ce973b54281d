"""Who asks: the owner of the kubeconfig, a ServiceAccount with a token, or somebody in the name of another (--as)."""

from __future__ import annotations

import hmac

from multidict import CIMultiDictProxy

from pocket.api import errors
from pocket.api.rbac import MASTERS, Access, Request, User, account
from pocket.objects import uid_of
from pocket.store import Store
from pocket.tokens import AUDIENCE, TokenError, Tokens

OWNER = User("pocket-admin", (MASTERS, "system:authenticated"))


class Identity:
    """Reads tokens. `tokens` None: there are none but the owner's."""

    def __init__(self, store: Store, owner: str, tokens: Tokens | None, access: Access) -> None:
        self._store = store
        self._owner = owner.encode()
        self._tokens = tokens
        self._access = access

    @property
    def tokens(self) -> Tokens | None:
        return self._tokens

    def user(self, headers: CIMultiDictProxy[str]) -> User:
        """Who sends the request. Raises ApiError 401, 403."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise errors.unauthorized()
        user, _ = self.of_token(token.strip(), (AUDIENCE,))
        return self._in_the_name_of(user, headers)

    def of_token(self, token: str, audiences: tuple[str, ...]) -> tuple[User, tuple[str, ...]]:
        """Who has the token, and for which of the audiences it was made. Raises ApiError 401."""
        # compare_digest takes the same time wherever the difference is.
        if hmac.compare_digest(token.encode(), self._owner):
            return OWNER, audiences
        if self._tokens is None:
            raise errors.unauthorized()
        try:
            claims = self._tokens.read(token)
        except TokenError:
            raise errors.unauthorized() from None
        shared = tuple(entry for entry in audiences if entry in claims.audiences)
        found = self._store.find("ServiceAccount", claims.namespace, claims.account)
        if found is None or uid_of(found) != claims.uid or not shared:
            raise errors.unauthorized()
        extra: dict[str, list[str]] = {}
        if claims.pod is not None:
            pod = self._store.find("Pod", claims.namespace, claims.pod[0])
            if pod is None or uid_of(pod) != claims.pod[1]:
                raise errors.unauthorized()
            extra = {
                "authentication.kubernetes.io/pod-name": [claims.pod[0]],
                "authentication.kubernetes.io/pod-uid": [claims.pod[1]],
            }
        return account(claims.namespace, claims.account, claims.uid, extra), shared

    def _in_the_name_of(self, user: User, headers: CIMultiDictProxy[str]) -> User:
        """`kubectl --as=NAME --as-group=GROUP`: for those who may impersonate."""
        name, groups = headers.get("Impersonate-User", ""), headers.getall("Impersonate-Group", [])
        if not name:
            if groups or "Impersonate-Uid" in headers:
                raise errors.bad_request("requested to impersonate without impersonating a user")
            return user
        first, _, rest = name.partition("system:serviceaccount:")
        if not first and rest.count(":") == 1:
            namespace, _, plain = rest.partition(":")
            self._may_impersonate(user, "serviceaccounts", plain, namespace)
            other = account(namespace, plain)
        else:
            self._may_impersonate(user, "users", name, "")
            other = User(name, ("system:authenticated",))
        for group in groups:
            self._may_impersonate(user, "groups", group, "")
        if groups:
            other = User(other.name, tuple(dict.fromkeys([*groups, "system:authenticated"])))
        return other

    def _may_impersonate(self, user: User, resource: str, name: str, namespace: str) -> None:
        request = Request("impersonate", "", resource, namespace, name)
        if self._access.reason(user, request) is None:
            raise refusal(user, request)


def refusal(user: User, request: Request) -> errors.ApiError:
    """403 in the real server's words."""
    if request.path:
        message = f'forbidden: User "{user.name}" cannot {request.verb} path "{request.path}"'
        return errors.ApiError(403, "Forbidden", message)
    group, name = request.group, request.name
    what = f"{request.resource.partition('/')[0]}{'.' + group if group else ''}"
    where = f' in the namespace "{request.namespace}"' if request.namespace else " at the cluster scope"
    named = f' "{name}"' if name else ""
    message = (
        f'{what}{named} is forbidden: User "{user.name}" cannot {request.verb} '
        f'resource "{request.resource}" in API group "{group}"{where}'
    )
    details = {"kind": request.resource.partition("/")[0]}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    return errors.ApiError(403, "Forbidden", message, dict(details))
