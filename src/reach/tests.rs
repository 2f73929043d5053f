//! Tests of the questions about header space.

mod random;
mod shapes;
mod twin;
