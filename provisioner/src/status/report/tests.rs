//! Judgements of built facts.
