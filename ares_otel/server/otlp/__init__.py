"""From bytes of OTLP to typed views of spans; knows nothing of any database."""
