"""Content in a real S3 server passes the shipped suite; what is special about it is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.testing.booked import BookedContent
from blobkit.testing.content import ContentSuite

if TYPE_CHECKING:
    from blobkit.content.s3 import S3Content


class TestS3Content(ContentSuite):
    @pytest.fixture
    def content(self, s3_content: S3Content) -> BookedContent:
        return BookedContent(s3_content)
