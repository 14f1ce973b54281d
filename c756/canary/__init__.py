"""A canary that a machine judges: tools/canary.sh. docs/canary.md says how it decides."""
