"""What Lambda gives to a handler: environment variables and a context object.

Names and forms: "Using Lambda environment variables" and "Using the Lambda context object to retrieve Python
function information" in the AWS Lambda developer guide.
"""

import os
import sys
import time
import uuid
from types import SimpleNamespace

MEMORY_MB = 1024
REGION = "us-east-1"
VERSION = "$LATEST"
ACCOUNT = "123456789012"
RESPONSE_BYTES = 6_291_556
"""The largest buffered response ("Lambda quotas")."""
RESPONSE_TOO_LARGE = f"the response of {{size}} bytes is larger than Lambda's limit of {RESPONSE_BYTES} bytes"


def environment_variables(
    *, function_name: str, handler: str, task_root: str, environment_id: str
) -> dict[str, str]:
    """Return Lambda's environment variables for one execution environment."""
    return {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
        "AWS_LAMBDA_FUNCTION_NAME": function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": time.strftime(f"%Y/%m/%d/[{VERSION}]{environment_id}", time.gmtime()),
        "AWS_REGION": REGION,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": task_root,
        "TZ": ":UTC",
        "_HANDLER": handler,
    }


class LambdaContext:
    """The context object of one invocation, which times out after `timeout` seconds."""

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        region = os.environ["AWS_REGION"]
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{self.function_name}"
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = None
        self.tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda would end the invocation, never below 0."""
        return max(0, round((self._deadline - time.monotonic()) * 1000))
