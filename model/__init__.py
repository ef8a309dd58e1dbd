"""RpBERT: the network, what it reads, its releases and its training. Knows no Kafka, Redis or HTTP."""
