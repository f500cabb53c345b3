//! Golden cases and parity between recast-core and every device; see `tests/`.
