//! The signalling lab: what the tests, the demo and the bench are made of.

pub mod association;
pub mod bridged;
pub mod capture;
pub mod corpus;
pub mod differential;
pub mod firewall;
pub mod forms;
pub mod frame;
pub mod m3ua;
pub mod mix;
pub mod netns;
pub mod pieces;
pub mod program;
pub mod proof;
pub mod random;
pub mod redirect;
pub mod traffic;
pub mod vm;
