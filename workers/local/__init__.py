"""Apache Kafka, Valkey and a picture host on loopback, for the demo, the developer and the tests."""
