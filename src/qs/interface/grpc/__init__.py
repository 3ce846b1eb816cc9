"""The duties over gRPC, beside HTTP and as HTTP has them. Needs ``qs[grpc]``; only ``starting`` may be imported without."""
