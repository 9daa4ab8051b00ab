"""Makes a topic if it does not exist: topic.py BOOTSTRAP TOPIC PARTITIONS."""

import sys

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap, topic, partitions = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": bootstrap})
made = admin.create_topics([NewTopic(topic, int(partitions), 1)], operation_timeout=60)[topic]
try:
    made.result(60)
except KafkaException as error:
    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
        raise
found = len(admin.list_topics(topic, timeout=60).topics[topic].partitions)
if found != int(partitions):
    sys.exit(f"the topic {topic} has {found} partitions and not {partitions}: take the instance down with --wipe")
