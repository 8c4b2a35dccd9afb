//! The signalling lab.
