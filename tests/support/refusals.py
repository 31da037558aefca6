"""What boto3 is refused with."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def code_of(call: Callable[[], Any]) -> str:
    """The error code of a call that is refused."""
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])
