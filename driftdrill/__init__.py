"""The harness: it runs a drill, watches the alerts, and says whether they can be trusted."""
