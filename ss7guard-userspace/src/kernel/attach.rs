//! Links: making them, putting new programs into them, and removing them.
//!
//! A link is pinned under a name that says what it is: `xdp_native_IF`, `xdp_generic_IF`, `tcx_IF`. Where TCX is not
//! to be had, the program itself is pinned as `clsact_IF`, and the filter lives in the kernel without a link.

use std::fs;
use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::XdpLink;
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode};
use ss7guard_common::abi::{Mode, name};

use crate::config::{AttachMode, Config, Deployment, EgressMode};
use crate::kernel::load::{Flat, Loaded, errno_of, program_mut};
use crate::kernel::{KernelError, bpffs, device, offloads};

/// How what leaves is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// TCX.
    Tcx,
    /// clsact.
    Clsact,
}

/// What is attached to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The interface.
    pub interface: String,
    /// Whether XDP runs in the driver; `None` without XDP.
    pub native: Option<bool>,
    /// How what leaves is seen.
    pub egress: Option<Egress>,
}

impl Attached {
    /// "native", "generic" or "none".
    #[must_use]
    pub const fn xdp_name(&self) -> &'static str {
        match self.native {
            Some(true) => "native",
            Some(false) => "generic",
            None => "none",
        }
    }

    /// "tcx", "clsact" or "none".
    #[must_use]
    pub const fn egress_name(&self) -> &'static str {
        match self.egress {
            Some(Egress::Tcx) => "tcx",
            Some(Egress::Clsact) => "clsact",
            None => "none",
        }
    }
}

const XDP_NATIVE: &str = "xdp_native_";
const XDP_GENERIC: &str = "xdp_generic_";
const TCX: &str = "tcx_";
const CLSACT: &str = "clsact_";

/// The file system refuses dots in names; interfaces of VLANs have them.
fn pin_path(bpffs: &Path, prefix: &str, interface: &str) -> PathBuf {
    bpffs.join(format!("{prefix}{}", escaped(interface)))
}

pub(super) fn escaped(interface: &str) -> String {
    interface.replace('~', "~7e").replace('.', "~2e")
}

pub(super) fn interface_of(escaped: &str) -> String {
    escaped.replace("~2e", ".").replace("~7e", "~")
}

/// What is attached, by the pins.
///
/// # Errors
/// They cannot be listed.
pub fn attached(bpffs: &Path) -> Result<Vec<Attached>, KernelError> {
    let mut found: Vec<Attached> = Vec::new();
    if !bpffs.exists() {
        return Ok(found);
    }
    for pin in bpffs::pins(bpffs)? {
        let name = pin.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((prefix, escaped)) = [XDP_NATIVE, XDP_GENERIC, TCX, CLSACT]
            .iter()
            .find_map(|p| name.strip_prefix(p).map(|rest| (*p, rest)))
        else {
            continue;
        };
        let interface = interface_of(escaped);
        let index = found.iter().position(|one| one.interface == interface).unwrap_or_else(|| {
            found.push(Attached { interface, native: None, egress: None });
            found.len() - 1
        });
        let one = &mut found[index];
        match prefix {
            XDP_NATIVE => one.native = Some(true),
            XDP_GENERIC => one.native = Some(false),
            TCX => one.egress = Some(Egress::Tcx),
            _ => one.egress = Some(Egress::Clsact),
        }
    }
    found.sort_by(|a, b| a.interface.cmp(&b.interface));
    Ok(found)
}

/// Puts the loaded programs on the interfaces: into the links that are pinned, else into new ones. If one interface
/// fails, what this call attached is removed again.
///
/// # Errors
/// An interface is unknown, busy, or cannot run the program.
pub fn attach(
    loaded: &mut Loaded,
    config: &Config,
    interfaces: &[String],
) -> Result<Vec<Attached>, KernelError> {
    for interface in interfaces {
        if interface_index(interface).is_none() {
            return Err(KernelError::NoInterface(interface.clone()));
        }
    }
    let before = attached(&config.bpffs)?;
    // Links of interfaces that are not named get the new program too: one policy everywhere.
    for old in &before {
        refresh(loaded, config, old)?;
    }
    let mut new = Vec::new();
    for interface in interfaces {
        let have = attached(&config.bpffs)?.into_iter().find(|one| &one.interface == interface);
        let result = attach_one(loaded, config, interface, have.as_ref());
        if have.is_none() {
            new.push(interface.clone());
        }
        if let Err(error) = result {
            if have.is_none()
                && let Err(undo) = offloads::restore(&config.bpffs, interface)
            {
                log::warn!("{interface}: features could not be switched back: {undo}");
            }
            for one in attached(&config.bpffs)?.iter().filter(|one| new.contains(&one.interface)) {
                if let Err(undo) = detach_one(&config.bpffs, one) {
                    log::warn!("{}: could not be detached again: {undo}", one.interface);
                }
            }
            return Err(error);
        }
    }
    attached(&config.bpffs)
}

/// Index of an interface in this network namespace. (`/sys` may show another namespace's.)
#[must_use]
pub fn interface_index(interface: &str) -> Option<u32> {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).ok()?;
    rustix::net::netdevice::name_to_index(socket, interface).ok()
}

fn attach_one(
    loaded: &mut Loaded,
    config: &Config,
    interface: &str,
    have: Option<&Attached>,
) -> Result<(), KernelError> {
    if have.is_none_or(|have| have.native.is_none()) {
        attach_xdp(loaded, config, interface)?;
    } else if have.is_some_and(|have| have.native.is_some()) {
        prepare(config, interface, have.and_then(|have| have.native) == Some(true))?;
    }
    let wants_egress = config.deployment == Deployment::Host && config.egress != EgressMode::Off;
    match have.filter(|have| have.egress.is_some()) {
        Some(have) if !wants_egress => detach_egress(&config.bpffs, have),
        None if wants_egress => attach_egress(loaded, config, interface),
        _ => Ok(()),
    }
}

/// Looks at what the interface does to frames, and acts on it.
fn prepare(config: &Config, interface: &str, native: bool) -> Result<(), KernelError> {
    let enforces = config.mode == Mode::Enforce;
    offloads::prepare(&config.bpffs, interface, native, config.offloads, enforces)
}

fn attach_xdp(loaded: &mut Loaded, config: &Config, interface: &str) -> Result<(), KernelError> {
    const EBUSY: i32 = 16;
    const EEXIST: i32 = 17;
    const EPERM: i32 = 1;
    let xdp: &mut Xdp = program_mut(&mut loaded.ebpf, name::XDP_PROGRAM)?;
    let refused = |error: &ProgramError| match errno_of(error) {
        Some(EBUSY | EEXIST) => Some(KernelError::Busy(interface.to_owned())),
        Some(EPERM) => Some(KernelError::Capability("CAP_NET_ADMIN".to_owned())),
        _ => None,
    };
    let mut native = config.attach != AttachMode::Generic;
    prepare(config, interface, native)?;
    let mut result = xdp.attach(interface, if native { XdpMode::Driver } else { XdpMode::Skb });
    if native && let Err(error) = &result {
        if let Some(error) = refused(error) {
            return Err(error);
        }
        let source = errno_of(error)
            .map_or_else(|| std::io::Error::other(error.to_string()), std::io::Error::from_raw_os_error);
        if config.attach == AttachMode::Native {
            return Err(KernelError::NoNativeXdp { interface: interface.to_owned(), source });
        }
        log::warn!(
            "{interface}: XDP in the driver is not possible ({source}); attached generically, which is slower"
        );
        native = false;
        prepare(config, interface, native)?;
        result = xdp.attach(interface, XdpMode::Skb);
    }
    let id = result.map_err(|error| {
        refused(&error).unwrap_or_else(|| {
            KernelError::other(format!("attach XDP to {interface}"), Flat::from_error(&error))
        })
    })?;
    let what = || format!("pin the XDP link of {interface}");
    let link = xdp.take_link(id).map_err(|error| KernelError::other(what(), error))?;
    let link: FdLink = link.try_into().map_err(|error| KernelError::other(what(), error))?;
    let prefix = if native { XDP_NATIVE } else { XDP_GENERIC };
    link.pin(pin_path(&config.bpffs, prefix, interface))
        .map_err(|error| KernelError::other(what(), error))?;
    Ok(())
}

fn attach_egress(loaded: &mut Loaded, config: &Config, interface: &str) -> Result<(), KernelError> {
    let tc: &mut SchedClassifier = program_mut(&mut loaded.ebpf, name::TC_PROGRAM)?;
    let what = || format!("attach tc to {interface}");
    if config.egress != EgressMode::Clsact {
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        match tc.attach_with_options(interface, TcAttachType::Egress, options) {
            Ok(id) => {
                let link = tc.take_link(id).map_err(|error| KernelError::other(what(), error))?;
                let link: FdLink = link.try_into().map_err(|error| KernelError::other(what(), error))?;
                link.pin(pin_path(&config.bpffs, TCX, interface))
                    .map_err(|error| KernelError::other(what(), error))?;
                return Ok(());
            }
            Err(error) if config.egress == EgressMode::Tcx => {
                return Err(KernelError::other(what(), Flat::from_error(&error)));
            }
            Err(error) => log::warn!("{interface}: no TCX ({}); using clsact", Flat::from_error(&error)),
        }
    }
    attach_clsact(loaded, config, interface)
}

fn attach_clsact(loaded: &mut Loaded, config: &Config, interface: &str) -> Result<(), KernelError> {
    let tc: &mut SchedClassifier = program_mut(&mut loaded.ebpf, name::TC_PROGRAM)?;
    let what = || format!("attach tc to {interface}");
    // The qdisc may be there already, for somebody else's filters.
    if let Err(error) = tc::qdisc_add_clsact(interface) {
        log::debug!("{interface}: clsact: {error}");
    }
    let options = TcAttachOptions::Netlink(NlOptions::default());
    let id = tc
        .attach_with_options(interface, TcAttachType::Egress, options)
        .map_err(|error| KernelError::other(what(), Flat::from_error(&error)))?;
    // The filter belongs to the interface from now on; dropping the link would remove it.
    let link = tc.take_link(id).map_err(|error| KernelError::other(what(), error))?;
    std::mem::forget(link);
    tc.pin(pin_path(&config.bpffs, CLSACT, interface)).map_err(|error| KernelError::other(what(), error))?;
    Ok(())
}

/// Puts the loaded programs into the links of an interface. A link whose interface is gone is removed.
fn refresh(loaded: &mut Loaded, config: &Config, old: &Attached) -> Result<(), KernelError> {
    let bpffs = &config.bpffs;
    let interface = &old.interface;
    if let Some(native) = old.native {
        let pin = pin_path(bpffs, if native { XDP_NATIVE } else { XDP_GENERIC }, interface);
        let xdp: &mut Xdp = program_mut(&mut loaded.ebpf, name::XDP_PROGRAM)?;
        let link = XdpLink::try_from(open_link(&pin)?)
            .map_err(|error| KernelError::other(format!("link of {interface}"), error))?;
        // Taken out and closed: the pin alone holds the link, so that removing the pin detaches.
        let result = xdp.attach_to_link(link).and_then(|id| xdp.take_link(id)).map(drop);
        updated(result, &pin, interface)?;
    }
    match old.egress {
        Some(Egress::Tcx) => {
            let pin = pin_path(bpffs, TCX, interface);
            let tc: &mut SchedClassifier = program_mut(&mut loaded.ebpf, name::TC_PROGRAM)?;
            let link = SchedClassifierLink::try_from(open_link(&pin)?)
                .map_err(|error| KernelError::other(format!("link of {interface}"), error))?;
            let result = tc.attach_to_link(link).and_then(|id| tc.take_link(id)).map(drop);
            updated(result, &pin, interface)?;
        }
        // A filter has no link to put a program into. What leaves meanwhile is not seen; nothing is judged there.
        Some(Egress::Clsact) => {
            detach_egress(bpffs, old)?;
            if interface_index(interface).is_some() {
                attach_clsact(loaded, config, interface)?;
            }
        }
        None => {}
    }
    Ok(())
}

fn open_link(pin: &Path) -> Result<FdLink, KernelError> {
    PinnedLink::from_pin(pin)
        .map(FdLink::from)
        .map_err(|error| KernelError::other(format!("open pin {}", pin.display()), Flat::from_error(&error)))
}

fn updated(result: Result<(), ProgramError>, pin: &Path, interface: &str) -> Result<(), KernelError> {
    const ENOLINK: i32 = 67;
    match result {
        Ok(()) => Ok(()),
        Err(error) if errno_of(&error) == Some(ENOLINK) => {
            log::warn!("{interface}: the interface of a pinned link is gone; removing the link");
            fs::remove_file(pin).map_err(|error| KernelError::other(pin.display().to_string(), error))
        }
        Err(error) => {
            Err(KernelError::other(format!("replace the program on {interface}"), Flat::from_error(&error)))
        }
    }
}

/// Removes everything from these interfaces.
///
/// # Errors
/// One of them has nothing attached (all are left as they are then), or something cannot be removed.
pub fn detach(bpffs: &Path, interfaces: &[String]) -> Result<(), KernelError> {
    let attached = attached(bpffs)?;
    let mut old = Vec::new();
    for interface in interfaces {
        let one = attached.iter().find(|one| &one.interface == interface);
        old.push(one.ok_or_else(|| KernelError::NotOn {
            interface: interface.clone(),
            attached: attached.iter().map(|one| one.interface.clone()).collect(),
        })?);
    }
    old.into_iter().try_for_each(|old| detach_one(bpffs, old))
}

fn detach_one(bpffs: &Path, old: &Attached) -> Result<(), KernelError> {
    detach_egress(bpffs, old)?;
    for prefix in [XDP_NATIVE, XDP_GENERIC] {
        remove_pin(&pin_path(bpffs, prefix, &old.interface))?;
    }
    offloads::restore(bpffs, &old.interface)?;
    device::restore(bpffs, &old.interface)
}

fn detach_egress(bpffs: &Path, old: &Attached) -> Result<(), KernelError> {
    let interface = &old.interface;
    if old.egress == Some(Egress::Clsact)
        && interface_index(interface).is_some()
        && let Err(error) = tc::qdisc_detach_program(interface, TcAttachType::Egress, name::TC_PROGRAM)
    {
        log::warn!("{interface}: the clsact filter could not be removed: {error}");
    }
    for prefix in [TCX, CLSACT] {
        remove_pin(&pin_path(bpffs, prefix, interface))?;
    }
    Ok(())
}

/// Removes a pin if it is there; the last reference to a link detaches it.
fn remove_pin(pin: &Path) -> Result<(), KernelError> {
    match fs::remove_file(pin) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(KernelError::other(pin.display().to_string(), error))
        }
        _ => Ok(()),
    }
}

/// Removes everything from every interface, and the maps.
///
/// # Errors
/// Something cannot be removed.
pub fn detach_all(bpffs: &Path) -> Result<Vec<String>, KernelError> {
    let mut interfaces = Vec::new();
    for old in attached(bpffs)? {
        detach_one(bpffs, &old)?;
        interfaces.push(old.interface);
    }
    // A start that died between the switch and the link leaves a note alone.
    for interface in offloads::noted(bpffs)? {
        offloads::restore(bpffs, &interface)?;
    }
    for interface in device::noted(bpffs)? {
        device::restore(bpffs, &interface)?;
    }
    for map in name::PINNED_MAPS {
        remove_pin(&bpffs.join(map))?;
    }
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_vlan_interfaces_survive_the_file_system() {
        let path = pin_path(Path::new("/p"), TCX, "eth0.100");
        assert_eq!(path, Path::new("/p/tcx_eth0~2e100"));
        assert_eq!(interface_of("eth0~2e100"), "eth0.100");
        assert_eq!(interface_of("a~7e2e"), "a~2e");
    }
}
