//! Our own Kafka client, for the source cluster and the destination brokers.
