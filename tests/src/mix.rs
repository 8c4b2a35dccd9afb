//! What traffic is made of: shares of kinds as a person writes them, and the plan that follows from them and a seed.

use std::fmt;

use crate::random::Random;
use crate::traffic::Kind;

/// A share in hundredths of a per cent.
type Share = u32;

/// All of it.
const WHOLE: Share = 10_000;

/// Messages of a plan at most.
pub const MAX_MESSAGES: u32 = 1_000_000;

/// What a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Roaming,
    Attack,
    One(Kind),
}

impl Part {
    fn kinds(&self) -> &[Kind] {
        match self {
            Self::Roaming => &Kind::ROAMING,
            Self::Attack => &Kind::ATTACKS,
            Self::One(kind) => std::slice::from_ref(kind),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "roaming" => Some(Self::Roaming),
            "attack" => Some(Self::Attack),
            _ => kinds().find(|kind| kind.operation().eq_ignore_ascii_case(name)).map(Self::One),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Roaming => "roaming",
            Self::Attack => "attack",
            Self::One(kind) => kind.operation(),
        })
    }
}

/// Every kind, roaming first.
pub fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ROAMING.into_iter().chain(Kind::ATTACKS)
}

/// Shares that add up to the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    parts: Vec<(Part, Share)>,
}

/// What is wrong with a mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MixError {
    /// A part without a share.
    NoShare(String),
    /// No kind or group has this name.
    Name(String),
    /// Not a share: which part, and what was written.
    Share(String, String),
    /// The same part twice.
    Twice(String),
    /// More than the whole, in hundredths of a per cent.
    TooMuch(u32),
    /// Less than the whole although `roaming`, which takes what is left, is named.
    TooLittle(u32),
}

impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoShare(part) => write!(f, "{part:?} has no share: write NAME=SHARE%, as attack=5%"),
            Self::Name(name) => {
                let names: Vec<&str> = kinds().map(Kind::operation).collect();
                write!(f, "there is no kind {name:?}: write roaming, attack, or one of {}", names.join(", "))
            }
            Self::Share(part, share) => {
                write!(f, "{part}={share}: a share is 0% to 100% with at most two decimals, as {part}=5%")
            }
            Self::Twice(part) => write!(f, "{part} is named twice: name it once"),
            Self::TooMuch(sum) => write!(f, "the shares add up to {}: at most 100%", Percent(*sum)),
            Self::TooLittle(sum) => write!(
                f,
                "the shares add up to {}: make them 100%, or leave roaming out, which then is what is left",
                Percent(*sum)
            ),
        }
    }
}

impl std::error::Error for MixError {}

/// Hundredths of a per cent as a person writes them.
struct Percent(Share);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match rest {
            0 => write!(f, "{whole}%"),
            _ if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
            _ => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (part, share)) in self.parts.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{part}={}", Percent(*share))?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut parts: Vec<(Part, Share)> = Vec::new();
        for item in text.split(',').map(str::trim) {
            let (name, share) = item.split_once('=').ok_or_else(|| MixError::NoShare(item.to_owned()))?;
            let part = Part::parse(name.trim()).ok_or_else(|| MixError::Name(name.trim().to_owned()))?;
            let share = percent(share.trim())
                .ok_or_else(|| MixError::Share(part.to_string(), share.trim().to_owned()))?;
            if parts.iter().any(|(there, _)| *there == part) {
                return Err(MixError::Twice(part.to_string()));
            }
            parts.push((part, share));
        }
        let sum = parts.iter().map(|(_, share)| share).sum();
        let roaming = parts.iter().any(|(part, _)| *part == Part::Roaming);
        match WHOLE.checked_sub(sum) {
            None => return Err(MixError::TooMuch(sum)),
            Some(0) => {}
            Some(_) if roaming => return Err(MixError::TooLittle(sum)),
            Some(rest) => parts.insert(0, (Part::Roaming, rest)),
        }
        Ok(Self { parts })
    }
}

/// `5%`, `0.25%`; `None` for anything else.
fn percent(text: &str) -> Option<Share> {
    let number = text.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 2 {
        return None;
    }
    let tenths = if decimals.len() == 1 { 10 } else { 1 };
    let share = whole.parse::<Share>().ok()?.checked_mul(100)? + decimals.parse::<Share>().ok()? * tenths;
    (share <= WHOLE).then_some(share)
}

impl Mix {
    /// The messages in the order in which they are sent: as many of each part as its share says (what rounding
    /// leaves goes to the largest part), the kinds of a group in turn, in an order that follows from the seed alone.
    ///
    /// `count` is cut to [`MAX_MESSAGES`]; `seed` 0 counts as 1.
    #[must_use]
    pub fn plan(&self, count: u32, seed: u64) -> Vec<Kind> {
        let count = count.min(MAX_MESSAGES);
        let exact = |share: Share| u64::from(count) * u64::from(share) / u64::from(WHOLE);
        let mut numbers: Vec<u64> = self.parts.iter().map(|(_, share)| exact(*share)).collect();
        let left = u64::from(count) - numbers.iter().sum::<u64>();
        let largest =
            self.parts.iter().enumerate().max_by_key(|(index, (_, share))| (*share, usize::MAX - index));
        if let Some((largest, _)) = largest {
            numbers[largest] += left;
        }
        let mut plan = Vec::new();
        for ((part, _), number) in self.parts.iter().zip(numbers) {
            plan.extend(part.kinds().iter().cycle().zip(0..number).map(|(kind, _)| *kind));
        }
        Random(seed.max(1)).shuffle(&mut plan);
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(text: &str) -> Mix {
        text.parse().expect(text)
    }

    fn count(plan: &[Kind], is: impl Fn(Kind) -> bool) -> usize {
        plan.iter().filter(|kind| is(**kind)).count()
    }

    #[test]
    fn what_is_left_is_roaming() {
        assert_eq!(mix("attack=5%").to_string(), "roaming=95%,attack=5%");
        assert_eq!(mix("attack=0.25%").to_string(), "roaming=99.75%,attack=0.25%");
        assert_eq!(mix("attack=100%").to_string(), "attack=100%");
        assert_eq!(
            mix(" attack = 5% , updatelocation=20.5% ").to_string(),
            "roaming=74.5%,attack=5%,updateLocation=20.5%"
        );
        assert_eq!(mix("roaming=90%,sendIMSI=10%").to_string(), "roaming=90%,sendIMSI=10%");
    }

    #[test]
    fn a_bad_mix_says_what_would_be_right() {
        let refused = |text: &str, what: &str| {
            let error = text.parse::<Mix>().expect_err(text).to_string();
            assert!(error.contains(what), "{text}: {error}");
        };
        refused("", "\"\" has no share: write NAME=SHARE%");
        refused("attack", "\"attack\" has no share: write NAME=SHARE%, as attack=5%");
        refused("attack=5%,", "\"\" has no share");
        refused("atack=5%", "there is no kind \"atack\": write roaming, attack, or one of updateLocation, ");
        for share in
            ["5", "five%", "%", "-1%", "+1%", "101%", "0.123%", "1.%", ".5%", "99999999999%", "1e1%", "NaN%"]
        {
            refused(
                &format!("attack={share}"),
                "a share is 0% to 100% with at most two decimals, as attack=5%",
            );
        }
        refused("attack=5%,attack=6%", "attack is named twice");
        refused("attack=60%,sendIMSI=40.01%", "the shares add up to 100.01%: at most 100%");
        refused("roaming=50%,attack=5%", "the shares add up to 55%: make them 100%, or leave roaming out");
    }

    #[test]
    fn a_plan_has_as_many_of_each_kind_as_the_shares_say() {
        let plan = mix("attack=5%,updateLocation=20%").plan(1_000, 7);
        assert_eq!(plan.len(), 1_000);
        assert_eq!(count(&plan, |kind| Kind::ATTACKS.contains(&kind)), 50);
        for kind in Kind::ATTACKS {
            assert_eq!(count(&plan, |one| one == kind), 10, "{kind:?}");
        }
        // A fifth by name, and a sixth of the 75 % that are left.
        assert_eq!(count(&plan, |kind| kind == Kind::UpdateLocation), 200 + 125);
        assert_eq!(mix("attack=5%").plan(3, 1).len(), 3, "what rounding leaves is sent too");
        assert_eq!(mix("attack=5%").plan(0, 1), []);
    }

    #[test]
    fn the_seed_alone_decides_the_order() {
        let mix = mix("attack=50%");
        assert_eq!(mix.plan(500, 7), mix.plan(500, 7));
        assert_ne!(mix.plan(500, 7), mix.plan(500, 8));
        assert_eq!(mix.plan(500, 0), mix.plan(500, 1));
    }
}
