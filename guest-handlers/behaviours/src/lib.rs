//! One small guest per behaviour that tests need: each is an example, `examples/<name>.rs`, and handles the event type
//! that is its name in camel case. `wat/` holds those that Rust cannot express. The table is in the README of
//! `guest-handlers`.
