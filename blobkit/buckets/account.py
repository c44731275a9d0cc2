"""The account of a bucket of S3 through boto3, which finds credentials and asks what obstore cannot.

No other module imports boto3. Secrets stay in its session: no message has more than a code, a region or a profile.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    UnauthorizedSSOTokenError,
)

from blobkit.buckets.keys import Key
from blobkit.buckets.options import check_endpoint, to_give
from blobkit.errors import AddressError, CredentialsError, UnreadableStoreError
from blobkit.render import alike, in_shell, join_some, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.buckets.keys import Row
    from blobkit.buckets.options import Options

__all__ = ["Account", "Upload"]

DEFAULT_REGION = "us-east-1"
_WRONG_KEY = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthFailure", "InvalidToken", "InvalidClientTokenId"}
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_NOT_HERE = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})


class Upload(NamedTuple):
    """An unfinished upload in parts: its key, its bytes so far, its time (microseconds since 1970), its number."""

    key: str
    size: int
    modified: int
    number: str = ""


class Account:
    """The client of one bucket with the credentials of the environment, or of a profile."""

    def __init__(self, bucket: str, options: Options) -> None:
        self.bucket, self.options = bucket, options
        try:
            self._session = boto3.session.Session(profile_name=options.profile or None)
            self._client = self._made(options.region or os.environ.get("AWS_REGION") or self._session.region_name or "")
        except ProfileNotFound as error:
            raise _no_profile(options.profile) from error
        except (BotoCoreError, ValueError) as error:
            msg = f"no client for the bucket {printable(bucket)} can be made: {printable(str(error))[:200]}"
            raise AddressError(msg) from error
        self.endpoint: str = self._client.meta.endpoint_url
        check_endpoint(options, self.endpoint)

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return str(self._client.meta.region_name or DEFAULT_REGION)

    def credentials(self) -> Callable[[], dict[str, object]] | None:
        """Return a function that returns credentials, always fresh ones; None if requests are not to be signed."""
        if self.options.anonymous:
            return None
        with self._told():
            found = self._session.get_credentials()
        if found is None:
            raise _no_credentials(self.bucket)

        def current() -> dict[str, object]:
            frozen = found.get_frozen_credentials()
            keys = {"access_key_id": frozen.access_key, "secret_access_key": frozen.secret_key, "token": frozen.token}
            ends = getattr(found, "_expiry_time", None)  # only those have one that boto3 renews
            return {**keys, "expires_at": ends and ends.astimezone(UTC)}

        with self._told():
            current()
        return current

    def check(self, prefix: str) -> None:
        """Ask for one key, at the right region; raise the error that says why the bucket cannot be listed."""
        with self._told():
            found = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1)
        region = found["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
        if region and region != self.region and not self.options.endpoint:
            self._client = self._made(region)  # boto3 was sent on to there; obstore would not be
            self.endpoint = self._client.meta.endpoint_url

    def pages(self, prefix: str, delimiter: str, after: str) -> Iterator[tuple[list[str], list[Row]]]:
        """Yield the prefixes up to a delimiter and the keys below a prefix (after a key); OSError if it cannot."""
        with _failing(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter=delimiter, StartAfter=after):
                prefixes = [one["Prefix"] for one in page.get("CommonPrefixes", ())]
                yield prefixes, [(one["Key"], _key(one)) for one in page.get("Contents", ())]

    def get(self, key: str, limit: int) -> bytes:
        """Return up to `limit` bytes of an object; OSError if it cannot be read."""
        with _failing(key):
            found = self._client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{limit - 1}")
            return bytes(found["Body"].read(limit))

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """Yield the unfinished uploads in parts below a prefix; OSError if the service does not list them."""
        with _failing(prefix):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=prefix
            ):
                for one in page.get("Uploads", ()):
                    yield self._upload(one)

    def _upload(self, one: dict[str, Any]) -> Upload:
        pages = self._client.get_paginator("list_parts")
        parts = pages.paginate(Bucket=self.bucket, Key=one["Key"], UploadId=one["UploadId"])
        found = [part for page in parts for part in page.get("Parts", ())]
        times = [one["Initiated"], *(part["LastModified"] for part in found)]
        return Upload(one["Key"], sum(part["Size"] for part in found), _micros(max(times)), one["UploadId"])

    def abort(self, upload: Upload) -> None:
        """Drop an unfinished upload and its parts; one that is gone is no error. OSError if the service refuses."""
        with suppress(FileNotFoundError), _failing(upload.key):
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=upload.key, UploadId=upload.number)

    def is_versioned(self) -> bool:
        """Return whether the bucket keeps, or has kept, versions; OSError if the service does not say."""
        with _failing(""):
            return "Status" in self._client.get_bucket_versioning(Bucket=self.bucket)

    def versions(self, prefix: str) -> Iterator[list[Row]]:
        """Yield the versions below a prefix that are not current, page by page; OSError if it cannot list them."""
        with _failing(prefix):
            pages = self._client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                rows = [
                    (one["Key"], one, "Size" in one)
                    for name in ("Versions", "DeleteMarkers")
                    for one in page.get(name, ())
                ]
                yield [(key, _key(one)) for key, one, is_object in rows if is_object and not one["IsLatest"]]

    def _made(self, region: str) -> Any:  # noqa: ANN401 (boto3 makes its clients at run time)
        config = Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"total_max_attempts": 4, "mode": "standard"},
            max_pool_connections=min(self.options.at_once, 64),
            s3={"addressing_style": "path"},
            **({"signature_version": UNSIGNED} if self.options.anonymous else {}),
        )
        endpoint = self.options.endpoint or None
        return self._session.client("s3", endpoint_url=endpoint, region_name=region or DEFAULT_REGION, config=config)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the errors of boto3 into those that say what to do."""
        try:
            yield
        except ClientError as error:
            answer = error.response
            code, status = str(answer["Error"].get("Code", "")), answer["ResponseMetadata"].get("HTTPStatusCode", 0)
            headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
            region = str(answer["Error"].get("Region") or headers.get("x-amz-bucket-region") or "")
            raise self._refusal(code, status, region) from None
        except (SSOError, UnauthorizedSSOTokenError) as error:
            profile = f" --profile {in_shell(self.options.profile)}" if self.options.profile else ""
            msg = f"the AWS login has ended ({type(error).__name__})"
            raise CredentialsError(msg, hint=f"aws sso login{profile}") from None
        except (NoCredentialsError, PartialCredentialsError):
            raise _no_credentials(self.bucket) from None
        except (EndpointConnectionError, HTTPClientError) as error:
            msg = f"{self.endpoint} cannot be reached ({type(error).__name__})"
            raise UnreadableStoreError(msg, hint=to_give("check {}, or AWS_ENDPOINT_URL", "endpoint")) from None
        except BotoCoreError as error:
            msg = f"the bucket {printable(self.bucket)} cannot be asked: {printable(str(error))[:200]}"
            raise CredentialsError(msg) from None

    def _refusal(self, code: str, status: int, region: str) -> Exception:
        """Return the error for a refusal of the service."""
        name = f"the bucket {printable(self.bucket)} at {self.endpoint}"
        shown = printable(code)[:80]
        if code in _WRONG_KEY:
            return CredentialsError(f"{name} does not know these credentials ({shown})", hint=_WHERE)
        if code in _EXPIRED:
            return CredentialsError(
                f"the credentials for {name} have expired", hint="log in again, for example with aws sso login"
            )
        if code in _ELSEWHERE or status == 301:  # noqa: PLR2004 (moved)
            hint = to_give("give {}", "region", printable(region))
            return UnreadableStoreError(f"{name} is in another region", hint=hint)
        if code in ("NoSuchBucket", "404"):
            return UnreadableStoreError(f"{name} does not exist", hint=to_give("check its name, and {}", "endpoint"))
        if status in (401, 403):
            needed = "s3:ListBucket and s3:GetObject are needed, or {} for a public bucket"
            hint = to_give(needed, "anonymous", value=True)
            return CredentialsError(f"{name} may not be listed with these credentials ({shown})", hint=hint)
        return UnreadableStoreError(f"{name} cannot be listed: it answers {status} {shown}")


_WHERE = to_give("check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or {}", "profile")


def _no_profile(profile: str) -> CredentialsError:
    known = boto3.session.Session().available_profiles
    near = alike(profile, known)
    hint = f"did you mean {printable(near)}?" if near else f"known are {join_some(known) or 'none'}"
    return CredentialsError(f"there is no AWS profile {printable(profile)}", hint=hint)


def _no_credentials(bucket: str) -> CredentialsError:
    hint = to_give("set AWS_PROFILE; for a public bucket give {}", "anonymous", value=True)
    return CredentialsError(f"there are no credentials for the bucket {printable(bucket)}", hint=hint)


@contextmanager
def _failing(key: str) -> Iterator[None]:
    """Turn the errors of boto3 into those of the system."""
    try:
        yield
    except ClientError as error:
        code = str(error.response["Error"].get("Code", ""))
        if code == "InvalidObjectState":
            raise OSError(errno.EREMOTEIO, "its storage class is an archive: it must be restored first", key) from None
        if code in ("NoSuchKey", "NoSuchUpload", "404"):
            raise FileNotFoundError(errno.ENOENT, "there is no such object", key) from None
        number = errno.EOPNOTSUPP if code in _NOT_HERE else errno.EREMOTEIO
        raise OSError(number, f"the service answers {printable(code)[:80]}", key) from None
    except BotoCoreError as error:
        raise OSError(errno.EREMOTEIO, f"the service cannot be asked ({type(error).__name__})", key) from None


def _key(one: dict[str, Any]) -> Key:
    return Key(one["Size"], _micros(one["LastModified"]), one.get("ETag", "").strip('"'), one.get("StorageClass", ""))


def _micros(time: Any) -> int:  # noqa: ANN401 (a datetime; boto3 is not typed)
    moment: float = time.timestamp()
    return round(moment * 1_000_000)
