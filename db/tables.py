"""The tables: `python -m db.tables init | clean --yes | list`. At DYNAMODB_URL where that is set, in AWS otherwise.

init makes what is missing and waits until all are ACTIVE; clean deletes them and waits until they are gone.
Both may be run again at any time. TABLE_SUFFIX and AWS_REGION say which tables, as for the service.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from db.config import DynamoConfig
from db.dynamo import new_client
from db.objtypes import OBJTYPES, ObjType
from servicekit.config import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

GONE = ""
WAIT_SECONDS = 120.0
POLL_SECONDS = 0.2


class TableError(Exception):
    """A table did not become what it should be; the message says which and why."""


def status(client: DynamoDBClient, table: str) -> str:
    """The table's status, e.g. ACTIVE; GONE where there is no such table."""
    try:
        return client.describe_table(TableName=table)["Table"].get("TableStatus", "")
    except client.exceptions.ResourceNotFoundException:
        return GONE


def create(client: DynamoDBClient, table: str, key: str) -> bool:
    """Makes the table unless it is there already; says whether it did. PAY_PER_REQUEST: an idle table costs nothing."""
    try:
        client.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    except client.exceptions.ResourceInUseException:
        return False
    return True


def wait_for(client: DynamoDBClient, table: str, wanted: str, seconds: float = WAIT_SECONDS) -> None:
    """Waits until the table has the status `wanted`; raises TableError after `seconds`."""
    deadline = time.monotonic() + seconds
    while (now := status(client, table)) != wanted:
        if time.monotonic() > deadline:
            raise TableError(f"table {table} is {now or 'gone'} and not {wanted or 'gone'} after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def init(client: DynamoDBClient, suffix: str) -> list[str]:
    """Makes all tables; returns one line for each."""
    lines = []
    for objtype in OBJTYPES.values():
        table = objtype.table(suffix)
        before = status(client, table)
        if before == "DELETING":
            wait_for(client, table, GONE)
        made = create(client, table, objtype.key) if before != "ACTIVE" else False
        lines.append(f"{table}: {'made' if made else 'is there already'}")
    for objtype in OBJTYPES.values():
        wait_for(client, objtype.table(suffix), "ACTIVE")
    return lines


def clean(client: DynamoDBClient, suffix: str) -> list[str]:
    """Deletes all tables with their contents; returns one line for each."""
    lines = [_delete(client, objtype, suffix) for objtype in OBJTYPES.values()]
    for objtype in OBJTYPES.values():
        wait_for(client, objtype.table(suffix), GONE)
    return lines


def _delete(client: DynamoDBClient, objtype: ObjType, suffix: str) -> str:
    table = objtype.table(suffix)
    now = status(client, table)
    if now == GONE:
        return f"{table}: is not there"
    if now != "DELETING":
        if now != "ACTIVE":
            wait_for(client, table, "ACTIVE")
        client.delete_table(TableName=table)
    return f"{table}: deleted"


def listing(client: DynamoDBClient) -> list[str]:
    """One line for each table of this account and region, whose ever it is: name, status, units, size.

    Provisioned units are paid for by the hour, used or not; a table on demand has none.
    """
    names = sorted(name for page in client.get_paginator("list_tables").paginate() for name in page["TableNames"])
    width = max(map(len, names), default=0)
    return [f"{name:{width}}  {_facts(client.describe_table(TableName=name)['Table'])}" for name in names]


def _facts(table: TableDescriptionTypeDef) -> str:
    units = table.get("ProvisionedThroughput", {})
    read, write = units.get("ReadCapacityUnits", 0), units.get("WriteCapacityUnits", 0)
    paid = f"{read} read and {write} write units" if read or write else "no units: on demand"
    # DynamoDB counts every six hours or so, the emulator never: nothing counted does not mean that nothing is there.
    items, length = table.get("ItemCount", 0), table.get("TableSizeBytes", 0)
    size = f"{items} items, {length} bytes when last counted" if items or length else "size not counted yet"
    return f"{table.get('TableStatus', '?')}  {paid}  {size}"


def main(arguments: list[str]) -> int:
    """Runs one of the three; 0, or 1 with the reason on standard error, or 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m db.tables", description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("action", choices=["init", "clean", "list"])
    parser.add_argument("--yes", action="store_true", help="needed by clean: the tables' contents are lost")
    options = parser.parse_args(arguments)
    try:
        config = DynamoConfig.from_env()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if options.action == "clean" and not options.yes:
        wanted = ", ".join(o.table(config.table_suffix) for o in OBJTYPES.values())
        print(f"clean deletes {wanted} with all they contain; say --yes if you want that", file=sys.stderr)
        return 2
    place = config.endpoint or f"AWS {config.region}"
    try:
        client = new_client(config)
        if options.action == "list":
            lines = listing(client)
        else:
            lines = (init if options.action == "init" else clean)(client, config.table_suffix)
    except (BotoCoreError, ClientError, TableError) as error:
        print(f"{options.action} failed at {place}: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines) if lines else f"no tables at {place}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
