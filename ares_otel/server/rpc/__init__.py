"""OTLP over gRPC; needs the extra `grpc`."""
