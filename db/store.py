"""The operations of the datastore on DynamoDB's tables. Every method raises ServiceError."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from db.dynamo import dynamo_errors
from db.lean import LeanDynamo
from db.objtypes import OBJTYPES, ObjType
from db.values import attributes, item_from_dynamo
from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Store:
    """Items by kind and key. `probe` is a second client with short timeouts, for readiness."""

    def __init__(self, client: LeanDynamo | DynamoDBClient, probe: DynamoDBClient, table_suffix: str) -> None:
        self._client = client
        self._probe = probe
        self._suffix = table_suffix

    def read(self, objtype: ObjType, key: str) -> dict[str, Any]:
        """The item with `key`; 404 where there is none."""
        table = objtype.table(self._suffix)
        with dynamo_errors(table):
            answer = self._client.get_item(TableName=table, Key=_key(objtype, key))
        if "Item" not in answer:
            raise ServiceError(404, f"no {objtype.name} with {objtype.key} {key!r}")
        return item_from_dynamo(answer["Item"])

    def list(self, objtype: ObjType, limit: int, start: str | None) -> list[dict[str, Any]]:
        """At most `limit` items, in DynamoDB's own stable order, after the one with key `start`."""
        table = objtype.table(self._suffix)
        items: list[dict[str, Any]] = []
        position: Any = _key(objtype, start) if start is not None else None
        while len(items) < limit:  # DynamoDB ends a page at 1 MB too
            request: dict[str, Any] = {"TableName": table, "Limit": limit - len(items)}
            if position is not None:
                request["ExclusiveStartKey"] = position
            with dynamo_errors(table):
                answer = self._client.scan(**request)
            items += [item_from_dynamo(item) for item in answer["Items"]]
            position = answer.get("LastEvaluatedKey")
            if position is None:
                break
        return items

    def write(self, objtype: ObjType, body: Mapping[str, Any]) -> str:
        """Stores a new item under a new UUID, which it returns."""
        key = str(uuid.uuid4())
        self.put(objtype, key, body)
        return key

    def put(self, objtype: ObjType, key: str, body: Mapping[str, Any]) -> None:
        """Stores an item under `key`, in place of the one that may be there."""
        table = objtype.table(self._suffix)
        item = attributes(body) | _key(objtype, key)
        with dynamo_errors(table):
            self._client.put_item(TableName=table, Item=item)

    def update(self, objtype: ObjType, key: str, body: Mapping[str, Any]) -> None:
        """Changes the attributes in `body`, leaves the others; 404 where there is no such item: it is not created."""
        if objtype.key in body:
            raise ServiceError(400, f"{objtype.key!r} is the key: it cannot be changed")
        table = objtype.table(self._suffix)
        changes = list(attributes(body).items())
        names = {f"#a{i}": name for i, (name, _) in enumerate(changes)}
        values = {f":a{i}": value for i, (_, value) in enumerate(changes)}
        with dynamo_errors(table):
            self._client.update_item(
                TableName=table,
                Key=_key(objtype, key),
                UpdateExpression="SET " + ", ".join(f"#a{i} = :a{i}" for i in range(len(changes))),
                ConditionExpression="attribute_exists(#key)",
                ExpressionAttributeNames=names | {"#key": objtype.key},
                ExpressionAttributeValues=values,
            )

    def delete(self, objtype: ObjType, key: str) -> None:
        """Removes an item; 404 where there is none."""
        table = objtype.table(self._suffix)
        with dynamo_errors(table):
            self._client.delete_item(
                TableName=table,
                Key=_key(objtype, key),
                ConditionExpression="attribute_exists(#key)",
                ExpressionAttributeNames={"#key": objtype.key},
            )

    def check_ready(self) -> None:
        """Asks each table for a key that no item has: needs no more rights than reading does."""
        for objtype in OBJTYPES.values():
            table = objtype.table(self._suffix)
            with dynamo_errors(table):
                self._probe.get_item(TableName=table, Key=_key(objtype, "readiness"))


def _key(objtype: ObjType, key: str) -> dict[str, Any]:
    return {objtype.key: {"S": key}}
