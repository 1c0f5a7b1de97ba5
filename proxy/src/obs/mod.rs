//! Metric families and log setup, declared once.
