"""Messages and client of ``qs.plan.v1``, made from plan_duties.proto by grpcio-tools; never written by hand."""
