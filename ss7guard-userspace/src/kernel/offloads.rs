//! What an interface does to frames before the program sees them.
//!
//! A frame that the interface or the driver has merged from several is judged as one: what one of them carries decides
//! about all, and what lies beyond the classifier's reach is not seen. [`judge`] says for each feature whether it does
//! that; the rest of this file switches features, and remembers beside the pins what it has switched, so that any later
//! process can put it back: a symbolic link `offloads_IF` whose target is a list of names.

use std::path::Path;

use crate::config::Offloads;
use crate::kernel::device::Device;
use crate::kernel::ethtool::Feature;
use crate::kernel::notes::Note;
use crate::kernel::{KernelError, interface_index};

/// What a feature that is on means for the judgement of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Frames are merged before they are judged.
    Merges,
    /// Something of the frame is not seen, and the judgement is the same without it.
    Harmless(&'static str),
}

/// Judges a feature, with XDP in the driver or generic; `None` for one that does nothing to frames that are judged.
///
/// - rx-lro, rx-gro-hw: the interface merges frames. Linux has them for TCP; what a device merges beyond that is its
///   own affair, and a driver may refuse XDP beside them.
/// - rx-gro, rx-gro-list: merges in software, before a generic program but after one in the driver. Linux has no handler
///   for SCTP there (net/sctp/offload.c has segmentation only), so that SCTP is never merged; but SCTP in UDP may be by
///   rx-gro-list and rx-udp-gro-forwarding.
/// - rx-vlan-hw-parse, rx-vlan-stag-hw-parse: the outer tag is taken off and lies beside the frame. The classifier skips
///   tags without looking at them, so that the frame is judged alike; its copy lacks the tag.
/// - tx-checksum-sctp: what leaves has no checksum yet when it is copied; a checksum of zero is held against nobody.
/// - tx-sctp-segmentation: what leaves is a chain of packets that is cut later. Only what leaves: it is never judged,
///   and the copy is cut at the bound of the capture.
#[must_use]
pub fn judge(feature: &str, native: bool) -> Option<Effect> {
    match feature {
        "rx-lro" | "rx-gro-hw" => Some(Effect::Merges),
        "rx-gro-list" | "rx-udp-gro-forwarding" if !native => Some(Effect::Merges),
        "rx-gro" if !native => Some(Effect::Harmless("software merges no SCTP")),
        "rx-vlan-hw-parse" | "rx-vlan-stag-hw-parse" => {
            Some(Effect::Harmless("the outer VLAN tag is not in the copies"))
        }
        "tx-checksum-sctp" => Some(Effect::Harmless("copies of what leaves have no SCTP checksum")),
        "tx-sctp-segmentation" => {
            Some(Effect::Harmless("copies of what leaves may hold several SCTP packets"))
        }
        _ => None,
    }
}

/// What is to be done about the features of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// On, and merge frames, and can be switched off.
    pub switchable: Vec<String>,
    /// On, and merge frames, and cannot be switched off.
    pub fixed: Vec<String>,
    /// On, with what it means.
    pub harmless: Vec<(String, &'static str)>,
}

/// Sorts the features of an interface.
fn plan(features: &[Feature], native: bool) -> Plan {
    let mut plan = Plan::default();
    for feature in features.iter().filter(|feature| feature.active) {
        match judge(&feature.name, native) {
            Some(Effect::Merges) if feature.changeable => plan.switchable.push(feature.name.clone()),
            Some(Effect::Merges) => plan.fixed.push(feature.name.clone()),
            Some(Effect::Harmless(why)) => plan.harmless.push((feature.name.clone(), why)),
            None => {}
        }
    }
    plan
}

/// What an interface does to frames at this moment.
///
/// # Errors
/// Its features cannot be read.
pub fn look(interface: &str, native: bool) -> Result<Plan, KernelError> {
    match Device::open(interface)?.features() {
        Ok(features) => Ok(plan(&features, native)),
        // A driver without any.
        Err(KernelError::Other { source, .. })
            if source.downcast_ref::<rustix::io::Errno>() == Some(&rustix::io::Errno::OPNOTSUPP) =>
        {
            Ok(Plan::default())
        }
        Err(error) => Err(error),
    }
}

/// Sees to it that an interface shows frames as they were sent, as far as `wanted` says.
///
/// # Errors
/// It merges frames, and may or can not be told otherwise.
pub(super) fn prepare(
    bpffs: &Path,
    interface: &str,
    native: bool,
    wanted: Offloads,
    enforces: bool,
) -> Result<(), KernelError> {
    let found = look(interface, native)?;
    for (feature, why) in &found.harmless {
        log::info!("{interface}: {feature} is on and stays so: {why}");
    }
    let merging = [found.switchable.as_slice(), &found.fixed].concat();
    if merging.is_empty() {
        return Ok(());
    }
    let refused = || KernelError::MergesFrames { interface: interface.to_owned(), features: merging.clone() };
    match wanted {
        Offloads::Switch => {
            switch_off(bpffs, interface, &found.switchable)?;
            let still = look(interface, native)?;
            let left = [still.switchable, still.fixed].concat();
            if left.is_empty() {
                return Ok(());
            }
            if enforces {
                return Err(KernelError::MergesFrames { interface: interface.to_owned(), features: left });
            }
            log::warn!("{interface} merges frames before they are seen, and {} stays on", left.join(", "));
        }
        Offloads::Refuse if enforces => return Err(refused()),
        Offloads::Refuse => log::warn!("{}", refused()),
        Offloads::Ignore => {
            log::warn!("{interface} merges frames before they are seen ({}): ignored", merging.join(", "));
        }
    }
    Ok(())
}

fn switch_off(bpffs: &Path, interface: &str, features: &[String]) -> Result<(), KernelError> {
    if features.is_empty() {
        return Ok(());
    }
    // Noted first: what was not switched after all does no harm when it is put back.
    let mut switched = switched(bpffs, interface);
    switched
        .extend(features.iter().filter(|feature| !switched.contains(feature)).cloned().collect::<Vec<_>>());
    Note::Offloads.write(bpffs, interface, &switched.join(","))?;
    Device::open(interface)?.switch(features, false)?;
    log::info!("{interface}: switched off until `ss7guard detach`: {}", features.join(", "));
    Ok(())
}

/// Switches features of an interface, by the kernel's names, with no note of it; those that it does not have are left out.
///
/// # Errors
/// The kernel refuses.
pub fn switch(interface: &str, features: &[String], on: bool) -> Result<(), KernelError> {
    Device::open(interface)?.switch(features, on)
}

/// What was switched off here, by this process or an earlier one.
#[must_use]
pub fn switched(bpffs: &Path, interface: &str) -> Vec<String> {
    let names = Note::Offloads.read(bpffs, interface).unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Puts back what was switched off on an interface.
///
/// # Errors
/// The kernel refuses; the note stays then.
pub(super) fn restore(bpffs: &Path, interface: &str) -> Result<(), KernelError> {
    let features = switched(bpffs, interface);
    if features.is_empty() {
        return Ok(());
    }
    if interface_index(interface).is_some() {
        Device::open(interface)?.switch(&features, true)?;
        log::info!("{interface}: switched on again: {}", features.join(", "));
    }
    Note::Offloads.forget(bpffs, interface)
}

/// Interfaces with a note, attached or not.
pub(super) fn noted(bpffs: &Path) -> Result<Vec<String>, KernelError> {
    Note::Offloads.interfaces(bpffs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str, active: bool, changeable: bool) -> Feature {
        Feature { name: name.to_owned(), active, changeable }
    }

    #[test]
    fn what_merges_depends_on_where_the_program_runs() {
        for (name, native, generic) in [
            ("rx-lro", true, true),
            ("rx-gro-hw", true, true),
            ("rx-gro-list", false, true),
            ("rx-udp-gro-forwarding", false, true),
            ("rx-gro", false, false),
            ("rx-vlan-hw-parse", false, false),
            ("rx-vlan-stag-hw-parse", false, false),
            ("tx-checksum-sctp", false, false),
            ("tx-sctp-segmentation", false, false),
            ("rx-checksum", false, false),
        ] {
            assert_eq!(judge(name, true) == Some(Effect::Merges), native, "{name}, in the driver");
            assert_eq!(judge(name, false) == Some(Effect::Merges), generic, "{name}, generic");
        }
    }

    #[test]
    fn features_are_sorted_by_what_can_be_done_about_them() {
        let features = [
            feature("rx-lro", true, true),
            feature("rx-gro-hw", true, false),
            feature("rx-vlan-hw-parse", true, true),
            feature("rx-checksum", true, true),
        ];
        let found = plan(&features, true);
        assert_eq!(
            (found.switchable, found.fixed),
            (vec!["rx-lro".to_owned()], vec!["rx-gro-hw".to_owned()])
        );
        assert_eq!(
            found.harmless.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["rx-vlan-hw-parse"]
        );
        assert_eq!(plan(&[feature("rx-lro", false, true)], true), Plan::default());
    }
}
