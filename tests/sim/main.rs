//! Tests of the simulator itself, and of the cores in it under faults.

mod scenarios;
mod siege;
mod storms;
mod world;
