"""The host as the conformance suite drives it (`docs/conformance.md`): one JSON object a line, in and out."""
