"""Kubernetes' own tests of the API machinery, those that need no container; docs/pocket.md says which fail, and why.

The program is large, and is built once, which takes from minutes to an hour (`C756_CONFORMANCE` names it):

    cd tests/ecosystem/conformance && go test -c -o PATH .
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.ecosystem.programs import each

FOCUS = (
    "Watchers|CustomResourceDefinition|CustomResourcePublishOpenAPI|CustomResourceFieldSelectors|"
    "CustomResourceValidationRules|ServerSideApply|Garbage collector|Namespaces|API chunking|Table transformation|"
    "Discovery|FieldValidation|\\] Lease|Events|ServiceAccounts|SubjectReview|OpenAPIV3"
)
