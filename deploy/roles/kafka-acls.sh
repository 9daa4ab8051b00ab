#!/bin/sh
# What Weir's user may do in Kafka, and no more: kafka-acls.sh USER TOPIC GROUP [OPTION...].
#
# Options go to Kafka's own kafka-acls.sh, such as --bootstrap-server and --command-config. KAFKA_ACLS names that program
# where it is not in PATH. For a pattern of topics that have a beginning in common, give that beginning as the TOPIC and
# set PATTERN=prefixed.
set -eu
user=$1 topic=$2 group=$3
shift 3
acls=${KAFKA_ACLS:-kafka-acls.sh}

# Read records; see where the log begins and ends; see whether the topic is compacted.
$acls "$@" --add --allow-principal "User:$user" --operation Read --operation Describe --operation DescribeConfigs \
  --topic "$topic" --resource-pattern-type "${PATTERN:-literal}"
# Join the group, and commit its offsets.
$acls "$@" --add --allow-principal "User:$user" --operation Read --operation Describe --group "$group"
