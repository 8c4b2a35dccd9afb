//! The signalling lab: what the tests, the demo and the bench are made of.

pub mod corpus;
