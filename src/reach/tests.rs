//! Tests of the questions about header space.

mod open;
mod random;
mod shapes;
mod twin;
