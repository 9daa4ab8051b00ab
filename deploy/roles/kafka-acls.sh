#!/bin/sh
# The rights that Weir's user has in Kafka, and no others: kafka-acls.sh USER TOPIC GROUP [OPTION...].
#
# Options go to Kafka's own kafka-acls.sh, such as --bootstrap-server and --command-config. KAFKA_ACLS names that
# program if it is not in PATH. For a pattern of topics that share a prefix, give the prefix as the TOPIC and set
# PATTERN=prefixed.
set -eu
user=$1 topic=$2 group=$3
shift 3
acls=${KAFKA_ACLS:-kafka-acls.sh}

# Read records, see where the log begins and ends, and see whether the topic is compacted.
$acls "$@" --add --allow-principal "User:$user" --operation Read --operation Describe --operation DescribeConfigs \
  --topic "$topic" --resource-pattern-type "${PATTERN:-literal}"
# Join the group, and commit its offsets.
$acls "$@" --add --allow-principal "User:$user" --operation Read --operation Describe --group "$group"
