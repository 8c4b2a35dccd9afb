//! Parameters of the methods about the lists.
//!
//! ```text
//! > {"v":1,"id":1,"method":"import.begin","params":{"replace":true}}                   < ok, or error "busy"
//! > {"v":1,"id":2,"method":"import.entries","params":{"entries":[{"gt":"4477*"}]}}     < ok; as often as it takes
//! > {"v":1,"id":3,"method":"import.commit","params":{}}      < events with "done" and "of", then ok with the counts
//! ```
//! An import belongs to its connection: one that ends before the commit leaves nothing behind, one that ends after it
//! changes nothing any more.

use serde::{Deserialize, Serialize};

use crate::config::OnBlock;
use crate::enforce::{CodeTarget, Directions, Does, Target, TitleTarget, Titles};

/// What names an entry: a point code or global titles, and what belongs to it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Originating point code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_code: Option<u32>,
    /// Network indicator 0 to 3; any without. For point codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ni: Option<u8>,
    /// Network Appearance. For point codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_appearance: Option<u32>,
    /// Calling global titles: digits, with `*` behind them for all that start with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gt: Option<String>,
    /// Directions; any without. For global titles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Directions>,
    /// Whether it is an entry that allows. For global titles.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow: bool,
}

impl Named {
    /// The target.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn target(&self) -> Result<Target, String> {
        match (self.point_code, &self.gt) {
            (Some(point_code), None) => {
                if self.allow || self.direction.is_some() {
                    return Err("direction and allow are for global titles".to_owned());
                }
                if self.ni.is_some_and(|ni| ni > 3) {
                    return Err("the network indicator is 0 to 3".to_owned());
                }
                let Self { ni, network_appearance, .. } = *self;
                Ok(Target::Code(CodeTarget { point_code, ni, network_appearance }))
            }
            (None, Some(gt)) => {
                if self.ni.is_some() || self.network_appearance.is_some() {
                    return Err("ni and network_appearance are for point codes".to_owned());
                }
                let titles = Titles::parse(gt)?;
                let directions = self.direction.unwrap_or_default();
                Ok(Target::Title(TitleTarget { titles, directions, allows: self.allow }))
            }
            _ => Err("an entry has point_code or gt, and one of them only".to_owned()),
        }
    }
}

impl From<Target> for Named {
    fn from(target: Target) -> Self {
        match target {
            Target::Code(code) => Self {
                point_code: Some(code.point_code),
                ni: code.ni,
                network_appearance: code.network_appearance,
                ..Self::default()
            },
            Target::Title(title) => Self {
                gt: Some(title.titles.to_string()),
                direction: (title.directions != Directions::default()).then_some(title.directions),
                allow: title.allows,
                ..Self::default()
            },
        }
    }
}

/// Parameters of `block.add`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockAdd {
    /// Which entry.
    pub entry: Named,
    /// Seconds until it ends; never without.
    #[serde(default)]
    pub ttl_s: Option<u64>,
    /// What becomes of a message that matches; neutralised without.
    #[serde(default)]
    pub on_block: OnBlock,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Parameters of `block.del`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockDel {
    /// Which entry.
    pub entry: Named,
    /// Whether it goes at once, though what it neutralised lately may be sent again.
    #[serde(default)]
    pub now: bool,
}

/// Parameters of `block.flush`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockFlush {
    /// As in [`BlockDel`].
    #[serde(default)]
    pub now: bool,
}

/// Parameters of `block.list`: a page of the entries, in their order.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockList {
    /// The last entry of the page before; from the start without.
    #[serde(default)]
    pub after: Option<Named>,
    /// Whether it is refused while an import goes into the lists. The answer says how many went before.
    #[serde(default)]
    pub whole: bool,
}

/// Parameters of `import.begin`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportBegin {
    /// Whether the operator's entries that are not imported go.
    #[serde(default)]
    pub replace: bool,
}

/// One entry of an import.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportEntry {
    /// Which.
    #[serde(rename = "e")]
    pub entry: Named,
    /// What it does; `allow` for those that allow, and only those.
    #[serde(default, skip_serializing_if = "is_default")]
    pub does: Does,
    /// When it ends, in milliseconds since 1970, UTC; never without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_ms: Option<i64>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Parameters of `import.entries`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportEntries {
    /// The entries; each target once in the whole import.
    pub entries: Vec<ImportEntry>,
}

/// Parameters of `import.commit`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ImportCommit {
    /// Whether it is only told what would change.
    #[serde(default)]
    pub dry_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_parameters_are_refused() {
        let add = |params| serde_json::from_value::<BlockAdd>(params).is_ok();
        assert!(add(json!({"entry": {"point_code": 1}, "ttl_s": 3})));
        assert!(!add(json!({"entry": {"point_code": 1}, "ttl": 3})));
        assert!(!add(json!({"entry": {"point_code": 1, "pc": 1}})));
    }

    #[test]
    fn a_target_survives_as_parameters() {
        let code =
            |ni, network_appearance| Target::Code(CodeTarget { point_code: 4107, ni, network_appearance });
        let title = |text, directions, allows| {
            Target::Title(TitleTarget { titles: Titles::parse(text).expect("titles"), directions, allows })
        };
        for target in [
            code(None, None),
            code(Some(2), Some(7)),
            title("4477*", Directions::Any, false),
            title("447700900123", Directions::In, true),
        ] {
            let named = serde_json::to_string(&Named::from(target)).expect("JSON");
            let named: Named = serde_json::from_str(&named).expect("parameters");
            assert_eq!(named.target(), Ok(target));
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for wrong in [
            json!({}),
            json!({"point_code": 1, "gt": "44"}),
            json!({"point_code": 1, "allow": true}),
            json!({"point_code": 1, "direction": "in"}),
            json!({"point_code": 1, "ni": 4}),
            json!({"gt": "44", "ni": 1}),
            json!({"gt": "44", "network_appearance": 1}),
            json!({"gt": "4x"}),
        ] {
            let named: Named = serde_json::from_value(wrong.clone()).expect("parameters");
            assert!(named.target().is_err(), "{wrong}");
        }
    }
}
