"""OTLP traces encoded by hand: no protobuf in the bot's process, equal to the official encoder after decoding."""

from ares_otel.pipeline.otlp.encoder import Encoder
from ares_otel.pipeline.otlp.response import parse_response

__all__ = ["Encoder", "parse_response"]
