//! The control protocol: one JSON object per line over a Unix socket.
//!
//! ```text
//! > {"v":1,"id":7,"method":"block.add","params":{"entry":{"point_code":4107},"ttl_s":60}}
//! < {"v":1,"id":7,"ok":{...}}            or  {"v":1,"id":7,"error":{"code":"full","message":"..."}}
//! > {"v":1,"id":8,"method":"monitor","params":{}}
//! < {"v":1,"id":8,"event":{...}}         one line for each event, until the client closes
//! ```
//! Lines are at most [`MAX_LINE`] octets. The server takes clients whose uid is root's or its own.

mod block;
pub mod client;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use block::{
    BlockAdd, BlockDel, BlockFlush, BlockList, ImportBegin, ImportCommit, ImportEntries, ImportEntry, Named,
};

/// Version of the protocol.
pub const VERSION: u32 = 1;

/// Octets of a request, with its line feed.
pub const MAX_LINE: usize = 64 * 1024;

/// Clients at a time.
pub const MAX_CLIENTS: usize = 32;

/// The socket in a run directory.
#[must_use]
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("control.sock")
}

/// What requests of every version have.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    /// Protocol version.
    pub v: u32,
    /// Number that the reply carries.
    #[serde(default)]
    pub id: u64,
}

/// A request.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Protocol version.
    pub v: u32,
    /// Number that the replies carry.
    pub id: u64,
    /// What is asked.
    pub method: String,
    /// Its parameters.
    #[serde(default)]
    pub params: Value,
}

/// A reply; one of `ok`, `error` and `event` is there.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Reply {
    /// Protocol version.
    pub v: u32,
    /// Number of the request; 0 if it could not be read.
    pub id: u64,
    /// The result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<Value>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// An event of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Value>,
}

/// Why a request was refused.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Fault {
    /// In one word, for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Fault {
    /// A fault.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// Parameters of `detach`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Detach {
    /// Interfaces; all without.
    #[serde(default)]
    pub interfaces: Vec<String>,
}

/// Parameters of `monitor`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    /// Only messages that invoke this operation.
    #[serde(default)]
    pub opcode: Option<i32>,
    /// Only this verdict.
    #[serde(default)]
    pub verdict: Option<String>,
    /// Only this direction.
    #[serde(default)]
    pub direction: Option<String>,
    /// Subscriber numbers in full.
    #[serde(default)]
    pub reveal: bool,
}

impl Monitor {
    /// Whether an event passes the filter.
    #[must_use]
    pub fn wants(&self, event: &Value) -> bool {
        let is = |key: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| event[key].as_str() == Some(wanted.as_str()))
        };
        let has_operation = |opcode: i32| {
            event["ss7"]["components"].as_array().is_some_and(|components| {
                components.iter().any(|one| one["type"] == "invoke" && one["opcode"] == opcode)
            })
        };
        is("verdict", &self.verdict)
            && is("direction", &self.direction)
            && self.opcode.is_none_or(has_operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_monitor_filters_by_every_part() {
        let event = json!({
            "verdict": "alert", "direction": "in",
            "ss7": {"components": [{"type": "returnResultLast", "opcode": 7}, {"type": "invoke", "opcode": 71}]}
        });
        let wants = |verdict: Option<&str>, opcode| {
            Monitor { verdict: verdict.map(str::to_owned), opcode, ..Monitor::default() }.wants(&event)
        };
        assert!(wants(None, None) && wants(Some("alert"), Some(71)));
        assert!(!wants(Some("allow"), None) && !wants(None, Some(7)));
    }
}
