from tests.realservices import chain

__all__ = ["chain"]
