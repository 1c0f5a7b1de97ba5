//! Typed configuration: parsed once, validated with all errors reported.
