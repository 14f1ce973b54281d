"""Settings of the datastore service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from servicekit.config import BaseConfig, Env

CLIENTS = ("lean", "boto3")  # see db.lean


@dataclass(frozen=True)
class DynamoConfig:
    """Where DynamoDB is and how its tables are called."""

    table_suffix: str = "c756"
    region: str = "us-west-2"
    endpoint: str = ""  # an emulator; empty means AWS
    connect_timeout: float = 2.0  # seconds
    read_timeout: float = 5.0  # seconds
    attempts: int = 3  # how often one call is tried in all: throttling, 5xx, lost connections
    pool_size: int = 64
    client: str = "lean"  # one of CLIENTS

    @classmethod
    def read(cls, env: Env) -> Self:
        """Reads DYNAMODB_URL, AWS_REGION, TABLE_SUFFIX, DYNAMODB_{CONNECT_TIMEOUT,READ_TIMEOUT,ATTEMPTS,...}."""
        return cls(
            table_suffix=env.required("TABLE_SUFFIX", "it ends the tables' names, as in Music-SUFFIX; see config.mak"),
            region=env.text("AWS_REGION") or env.text("AWS_DEFAULT_REGION", "us-west-2"),
            endpoint=env.url("DYNAMODB_URL"),
            connect_timeout=env.number("DYNAMODB_CONNECT_TIMEOUT", 2.0, 0.01, 300),
            read_timeout=env.number("DYNAMODB_READ_TIMEOUT", 5.0, 0.01, 300),
            attempts=env.integer("DYNAMODB_ATTEMPTS", 3, 1, 20),
            pool_size=env.integer("DYNAMODB_POOL_SIZE", 64, 1, 4096),
            client=env.choice("DYNAMODB_CLIENT", CLIENTS),
        )

    @classmethod
    def from_env(cls, values: Mapping[str, str] | None = None) -> Self:
        """Reads all of it; raises ConfigError."""
        env = Env(values)
        config = cls.read(env)
        env.check()
        return config


@dataclass(frozen=True)
class DbConfig(BaseConfig):
    """Everything that the service is told."""

    loader_token: str = ""
    dynamo: DynamoConfig = field(default_factory=DynamoConfig)

    @classmethod
    def from_env(cls, values: Mapping[str, str] | None = None) -> Self:
        """Reads the environment; raises ConfigError."""
        env = Env(values)
        config = cls(
            max_body_bytes=BaseConfig.base(env).max_body_bytes,
            loader_token=env.secret(
                "LOADER_TOKEN", "take it from the Secret c756-auth (key loader-token), e.g. `openssl rand -hex 32`"
            ),
            dynamo=DynamoConfig.read(env),
        )
        env.check()
        return config
