"""For programs that feed a daemon or listen to it: nothing lost on the way in, no gap unseen on the way out.

    with Producer("tcp://127.0.0.1:5555", "gateway-1") as producer:
        for reading in readings:
            producer.send({"stream": "pump-1", "time": reading.time, "values": {"flow": reading.flow}})

    with Subscriber("tcp://127.0.0.1:5556", "anomaly/", catchup="tcp://127.0.0.1:5557") as subscriber:
        for message in subscriber:
            print(message.topic, message.fields["state"], message.lost)

producer.py    numbers what it sends and keeps it until it is on the daemon's disk
subscriber.py  joins late without a hole, sees every gap and closes it
connect.py     a socket with the options that both need; keys
meeting.py     who is at the other end, within two seconds

The frames are documented in `deploy/PROTOCOL.md`; this is one implementation of that page. A Producer or Subscriber
belongs to one thread and makes none: all work is done in the calls of the program.
"""

from streamrnn.client.connect import Keys
from streamrnn.client.producer import Producer, ProducerError, Refused
from streamrnn.client.subscriber import Message, Subscriber, SubscriberError

__all__ = ["Keys", "Message", "Producer", "ProducerError", "Refused", "Subscriber", "SubscriberError"]
