//! The tree that an explanation is: nodes with their place, octets and value. Octets that output must not show are
//! hidden when a node is made, so that nothing later can show them.

use serde_json::{Value, json};

/// A remark about a node: an odd form, or a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The one spelling of the finding or reason.
    pub name: String,
    /// What it means.
    pub text: String,
    /// Where: offset in what was explained.
    pub offset: usize,
    /// Whether reading stopped there, or the firewall counts it as an exception.
    pub fault: bool,
}

/// One layer, field or element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The layer: "ethernet", "ipv4", "ipv6", "sctp", "m3ua", "sccp", "tcap", "gsm_map".
    pub layer: &'static str,
    /// The name, as the layer's standard has it.
    pub name: String,
    /// Offset in what was explained: a frame, or octets given by hand.
    pub offset: usize,
    /// Offset in the user part, for SCCP and what is inside.
    pub part_offset: Option<usize>,
    /// Octets, with all that is inside.
    pub len: usize,
    /// The value in words; empty if it has none of its own.
    pub value: String,
    /// The octets in hexadecimal, `**` for hidden ones; of an element that holds others, tag and length only.
    pub octets: String,
    /// What is to be said about it.
    pub remarks: Vec<Remark>,
    /// What is inside.
    pub children: Vec<Node>,
}

impl Node {
    /// This node with a fault at its start.
    #[must_use]
    pub fn fault(mut self, name: &str, text: impl Into<String>) -> Self {
        let offset = self.offset;
        self.remark(name, text, offset, true);
        self
    }

    /// Adds a remark.
    pub fn remark(&mut self, name: &str, text: impl Into<String>, offset: usize, fault: bool) {
        self.remarks.push(Remark { name: name.to_owned(), text: text.into(), offset, fault });
    }

    /// Whether this node or one inside has a remark of this name.
    #[must_use]
    pub fn has_remark(&self, name: &str) -> bool {
        self.remarks.iter().any(|remark| remark.name == name)
            || self.children.iter().any(|child| child.has_remark(name))
    }

    /// The innermost node that holds this offset of the user part.
    pub(super) fn innermost(&mut self, part_offset: usize) -> Option<&mut Self> {
        let start = self.part_offset?;
        if !(start..start.saturating_add(self.len.max(1))).contains(&part_offset) {
            return None;
        }
        match self.children.iter().position(|child| child.holds(part_offset)) {
            Some(index) => self.children.get_mut(index)?.innermost(part_offset),
            None => Some(self),
        }
    }

    fn holds(&self, part_offset: usize) -> bool {
        self.part_offset
            .is_some_and(|start| (start..start.saturating_add(self.len.max(1))).contains(&part_offset))
    }

    /// The node as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let findings: Vec<Value> = self
            .remarks
            .iter()
            .map(|remark| {
                json!({
                    "finding": remark.name, "text": remark.text, "offset": remark.offset, "fault": remark.fault,
                })
            })
            .collect();
        let mut value = json!({
            "layer": self.layer,
            "name": self.name,
            "offset": self.offset,
            "len": self.len,
            "value": self.value,
            "octets": self.octets,
            "findings": findings,
            "children": self.children.iter().map(Self::to_json).collect::<Vec<_>>(),
        });
        if let (Some(offset), Some(object)) = (self.part_offset, value.as_object_mut()) {
            object.insert("user_part_offset".to_owned(), json!(offset));
        }
        value
    }
}

/// Octets of one layer, and how nodes over them are made.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Name of the layer.
    pub layer: &'static str,
    /// The octets; offsets of nodes are asked for in these.
    pub octets: &'a [u8],
    /// Offset of their first one in what is explained.
    pub base: usize,
    /// Whether they are a user part.
    pub user_part: bool,
    /// Whether subscribers' numbers are shown in full.
    pub reveal: bool,
}

impl<'a> View<'a> {
    /// The same octets, read as another layer.
    #[must_use]
    pub const fn layer(self, layer: &'static str) -> Self {
        Self { layer, ..self }
    }

    /// One octet.
    #[must_use]
    pub fn u8(&self, at: usize) -> Option<u8> {
        self.octets.get(at).copied()
    }

    /// Two octets, the most significant first.
    #[must_use]
    pub fn be16(&self, at: usize) -> Option<u16> {
        self.octets.get(at..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
    }

    /// Four octets, the most significant first.
    #[must_use]
    pub fn be32(&self, at: usize) -> Option<u32> {
        self.octets.get(at..)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
    }

    /// The octets from `at` to `end`, as far as they are there.
    #[must_use]
    pub fn slice(&self, at: usize, end: usize) -> &'a [u8] {
        let end = end.min(self.octets.len());
        self.octets.get(at.min(end)..end).unwrap_or_default()
    }

    /// A node without octets of its own.
    #[must_use]
    pub fn group(&self, name: impl Into<String>, at: usize, len: usize, value: impl Into<String>) -> Node {
        Node {
            layer: self.layer,
            name: name.into(),
            offset: self.base.saturating_add(at),
            part_offset: self.user_part.then_some(at),
            len,
            value: value.into(),
            octets: String::new(),
            remarks: Vec::new(),
            children: Vec::new(),
        }
    }

    /// A node whose octets are shown.
    #[must_use]
    pub fn field(&self, name: impl Into<String>, at: usize, len: usize, value: impl Into<String>) -> Node {
        self.partly(name, at, len, len, value)
    }

    /// A node of which the first `open` octets are shown; the others may hold subscribers' numbers.
    #[must_use]
    pub fn partly(
        &self,
        name: impl Into<String>,
        at: usize,
        len: usize,
        open: usize,
        value: impl Into<String>,
    ) -> Node {
        let octets = self.slice(at, at.saturating_add(len));
        let open = if self.reveal { octets.len() } else { open };
        Node { octets: hex(octets, open), ..self.group(name, at, len, value) }
    }

    /// A node for octets that are not looked into; nothing of them is shown but the first `open`.
    #[must_use]
    pub fn opaque(&self, name: impl Into<String>, at: usize, end: usize, open: usize) -> Node {
        let len = end.min(self.octets.len()).saturating_sub(at);
        let hidden = if self.reveal || len <= open { "" } else { ", hidden: --reveal shows them" };
        self.partly(name, at, len, open, format!("{}{hidden}", octets_of(len)))
    }
}

/// Octets in hexadecimal, those from `open` on as `**`.
#[must_use]
pub fn hex(octets: &[u8], open: usize) -> String {
    let mut text = String::with_capacity(octets.len().saturating_mul(2));
    for (index, octet) in octets.iter().enumerate() {
        if index < open {
            for nibble in [octet >> 4, octet & 0x0f] {
                text.push(char::from_digit(nibble.into(), 16).unwrap_or('?'));
            }
        } else {
            text.push_str("**");
        }
    }
    text
}

/// "1 octet", "2 octets".
#[must_use]
pub fn octets_of(len: usize) -> String {
    if len == 1 { "1 octet".to_owned() } else { format!("{len} octets") }
}

/// A number with its name, if it has one.
#[must_use]
pub fn named(number: impl Into<i64>, name: Option<&str>) -> String {
    let number = number.into();
    name.map_or_else(|| number.to_string(), |name| format!("{number} {name}"))
}
