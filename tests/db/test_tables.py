from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from db.config import DynamoConfig
from db.dynamo import new_client
from db.tables import GONE, TableError, wait_for
from tests.realservices import SUFFIX, Emulator


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    started = Emulator(tmp_path / "emulator")
    started.start()
    yield started
    started.stop()


def test_init_list_clean_each_twice(emulator: Emulator) -> None:
    assert "no tables" in emulator.tables("list").stdout
    for said in ("made", "is there already"):
        done = emulator.tables("init")
        assert (done.returncode, done.stdout) == (0, f"Music-{SUFFIX}: {said}\nUser-{SUFFIX}: {said}\n"), done.stderr
    facts = "ACTIVE  no units: on demand  size not counted yet"
    assert emulator.tables("list").stdout == f"Music-{SUFFIX}  {facts}\nUser-{SUFFIX}   {facts}\n"
    refused = emulator.tables("clean")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    for said in ("deleted", "is not there"):
        done = emulator.tables("clean", "--yes")
        assert (done.returncode, done.stdout) == (0, f"Music-{SUFFIX}: {said}\nUser-{SUFFIX}: {said}\n"), done.stderr
    assert "no tables" in emulator.tables("list").stdout


def test_list_shows_units_that_are_paid_for_by_the_hour(emulator: Emulator) -> None:
    new_client(DynamoConfig(endpoint=emulator.url)).create_table(
        TableName="Dear",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 7, "WriteCapacityUnits": 3},
    )
    assert re.match(r"Dear  (CREATING|ACTIVE)  7 read and 3 write units  ", emulator.tables("list").stdout)


def test_no_dynamodb_is_said_with_the_place(emulator: Emulator) -> None:
    emulator.stop()
    done = emulator.tables("init")
    assert done.returncode == 1
    assert emulator.url in done.stderr
    assert "Traceback" not in done.stderr


def test_waiting_has_a_bound(emulator: Emulator) -> None:
    client = new_client(DynamoConfig(endpoint=emulator.url))
    with pytest.raises(TableError, match="Music-x is gone and not ACTIVE"):
        wait_for(client, "Music-x", "ACTIVE", seconds=0)
    wait_for(client, "Music-x", GONE, seconds=0)


def test_what_was_acknowledged_survives_kill_9(emulator: Emulator) -> None:
    """And a table that the kill left half made is put right by the next start."""
    assert emulator.tables("init").returncode == 0
    client = new_client(DynamoConfig(endpoint=emulator.url))
    table = f"Music-{SUFFIX}"
    for number in range(200):
        client.put_item(TableName=table, Item={"music_id": {"S": str(number)}})
    client.create_table(
        TableName="Late",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert emulator.process is not None
    emulator.process.signal(signal.SIGKILL)
    assert emulator.process.wait() == -signal.SIGKILL
    emulator.start()
    for number in range(200):
        assert "Item" in client.get_item(TableName=table, Key={"music_id": {"S": str(number)}})
    assert client.describe_table(TableName="Late")["Table"].get("TableStatus") == "ACTIVE"
    assert emulator.stop() == 0


def test_boto3_is_given_no_account_of_this_machine() -> None:
    assert boto3.DEFAULT_SESSION is None  # new_client makes a session of its own
