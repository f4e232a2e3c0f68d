"""The wire floor: bytes in, columns out; outcomes in, bytes out. No sockets, no clock.

formats.py   how a body is told from others, read and written
frames.py    what the service hands in and takes back
envelope.py  the frames between a producer and a `router` input
topics.py    names of topics

Rules
- Nothing that a sender can put into a frame raises out of `Decoder.decode`. It becomes observations, or refusals with
  a reason of a closed set, the bytes at fault and a sentence for the sender. Accepted and refused are counted alike.
- One thing at fault is refused alone: an item of an array, a line, a row of columns. A frame that cannot be taken apart
  is one refusal.
- Missing is null or absent, and NaN in the batch. NaN or infinity in a message is a fault of the sender, never missing.
- Everything is refused here that can be: format, types, names, lengths, ranges. Capacity is the service's to know.
- Every message that goes out is two frames, topic and body. `topic_seq` counts the messages of a topic from 1, so that
  a reader sees what it lost; the memory for it grows with the rows of the bank and with nothing else.

Theory of operation
- `forms` states each form as a typed Struct. msgspec checks types, feature names and lengths while it parses, in C; the
  Struct of the values is made for the features of the model, so that an unknown one is refused with its name.
- `decode` tries the form that the source sent last. Only when that raises are the others tried, and items read one by
  one; the slow way is a few times slower and linear. Newline-delimited JSON is what does not parse as a whole, does
  not begin with "[" and has at least one line that is an object for itself.
- `rows` gathers a batch in lists, `columns` turns them into arrays, once per batch, and checks all numbers there in two
  passes. What is at fault is taken out of the batch afterwards, as that is rare.
- `forecasts` and `events` make the columns of outcomes lists, once per batch, and fill Structs (`outgoing`, where the
  documented names stand); `encode` numbers them and writes them. Late labels that settle an earlier observation are
  not answered: they bring no new forecast.

Decided
- Keys beside the known ones are skipped, for senders add units and hosts; only under `values` is a key a promise.
- A forecasting model takes observations that carry a label and makes nothing of it; alone, a label is refused there.
- In columns without `time` every row gets the time of receipt. One `end: true` marks the last row.
- Of a duplicate key the last one counts, as in every JSON parser we know.
- `retained` repeats the `topic_seq` of the message it repeats, so that it neither hides nor feigns a gap.

Rejected
- One Struct whose fields are numbers or lists: every single observation would pay for asking which it is.
- Decoding to plain dicts and checking them in Python: types, names and lengths would be checked key by key there.
- Packing the lists with the struct module instead of numpy's conversion: two microseconds less for a columnar frame of
  64, and a second way for nulls, on which it fails.
- Refusing the whole frame for one bad row, as it is simpler: a fleet gateway would lose a thousand good sensors.
"""

from streamrnn.wire.frames import REASONS, Decoded, Frame, Refusal, Source, refusal
from streamrnn.wire.incoming.decode import Decoder
from streamrnn.wire.outgoing.encode import Encoder
from streamrnn.wire.outgoing.events import Events
from streamrnn.wire.outgoing.forecasts import Forecasts
from streamrnn.wire.outgoing.messages import FIELDS
from streamrnn.wire.topics import DEAD_LETTER, STATUS, topic_of

__all__ = [
    "DEAD_LETTER",
    "FIELDS",
    "REASONS",
    "STATUS",
    "Decoded",
    "Decoder",
    "Encoder",
    "Events",
    "Forecasts",
    "Frame",
    "Refusal",
    "Source",
    "refusal",
    "topic_of",
]
