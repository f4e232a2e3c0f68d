"""The least that any service must do, to measure ours against: receive, decode, encode, send, and nothing else.

Run as `python -m streamrnn.cli.bare INPUT OUTPUT TEMPLATE`: TEMPLATE is a file with the JSON of one answer. Each
message is answered with the template, its time set, so that the bodies in and out are of the daemon's sizes.
"""

import sys
from pathlib import Path

import msgspec
import zmq

TOPIC = b"prediction/stream-00/"


def serve(entry: str, out: str, template: bytes) -> None:
    """Answer until killed."""
    decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    answer = decode(template)
    with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUB) as pub:
        pub.setsockopt(zmq.SNDHWM, 0)
        pull.bind(entry)
        pub.bind(out)
        receive, send, more = pull.recv, pub.send, int(zmq.SNDMORE)
        while True:
            observation = decode(receive())
            answer["time"] = observation["time"]
            send(TOPIC, more)
            send(encode(answer))


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes())
