"""Checkpoints of foreign logs, brought to a mirror over HTTP (C2SP tlog-witness). Never said between parties."""

from __future__ import annotations

from typing import Annotated

from anonnet.limits import CHECKPOINT_BYTES_MAX, FRAME_MAX
from anonnet.protocol.fields import Name
from anonnet.protocol.local import Local
from anonnet.tlog.witness import REQUEST_BYTES_MAX
from anonnet.wire.codec import Between, Message, message


@message(Local.ADD_CHECKPOINT, signed=False, frame_max=FRAME_MAX)
class AddCheckpoint(Message):
    """A mirror's web server -> the mirror: somebody has posted this."""

    request: Annotated[bytes, Between(0, REQUEST_BYTES_MAX)]


@message(Local.CHECKPOINT_ADDED, signed=False, frame_max=FRAME_MAX)
class CheckpointAdded(Message):
    """What he is to be answered: an HTTP status, the type of what follows, and that."""

    status: Annotated[int, Between(200, 599)]
    media_type: Name
    answer: Annotated[bytes, Between(0, CHECKPOINT_BYTES_MAX)]
