//! An interface as the port of a bridge: its flags, its longest frame, its queues (netdevice(7)).
//!
//! By requests to a socket and not through `/sys`, which may show another network namespace. What is changed here for the
//! time of the bridge is remembered beside the pins: `promisc_IF` and `linkdown_IF`.

use std::ffi::c_void;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::ptr;

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::kernel::notes::Note;
use crate::kernel::{KernelError, interface_index};

// linux/sockios.h
const SIOCGIFFLAGS: Opcode = 0x8913;
const SIOCSIFFLAGS: Opcode = 0x8914;
const SIOCGIFMTU: Opcode = 0x8921;

// linux/if.h
const IFF_UP: u16 = 0x1;
const IFF_RUNNING: u16 = 0x40;
const IFF_PROMISC: u16 = 0x100;

/// What a request is about: `struct ifreq`, a name and a union of 24 octets.
#[repr(C)]
struct Request<T> {
    name: [u8; 16],
    value: T,
}

/// What the union of an `ifreq` can hold here.
///
/// # Safety
/// 24 octets, aligned to 8, of which every content that the kernel may write is valid.
pub(super) unsafe trait Value: Copy {}

/// Numbers, in the first octets.
pub(super) type Numbers = [u64; 3];

// SAFETY: 24 octets, and any number is one.
unsafe impl Value for Numbers {}

struct Call<T> {
    request: Request<T>,
    opcode: Opcode,
}

// SAFETY: the opcodes of this file and of ethtool.rs take an `ifreq` (40 octets), which `Request` is for every `Value`.
unsafe impl<T: Value> Ioctl for Call<T> {
    type Output = T;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        const { assert!(size_of::<Request<T>>() == 40 && align_of::<T>() == 8) };
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        ptr::from_mut(&mut self.request).cast()
    }

    unsafe fn output_from_ptr(_out: IoctlOutput, request: *mut c_void) -> rustix::io::Result<T> {
        // SAFETY: the pointer that `as_ptr` gave, to a request that is still there.
        Ok(unsafe { request.cast::<Request<T>>().read() }.value)
    }
}

/// An interface that can be asked and changed.
pub(super) struct Device {
    socket: OwnedFd,
    name: [u8; 16],
    interface: String,
}

impl Device {
    /// Opens an interface of this network namespace.
    ///
    /// # Errors
    /// No socket, or a name that no interface can have.
    pub(super) fn open(interface: &str) -> Result<Self, KernelError> {
        let mut name = [0; 16];
        match name.get_mut(..interface.len()) {
            Some(room) if interface.len() < 16 => room.copy_from_slice(interface.as_bytes()),
            _ => return Err(KernelError::NoInterface(interface.to_owned())),
        }
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
            .map_err(|error| KernelError::other(format!("a socket for {interface}"), error))?;
        Ok(Self { socket, name, interface: interface.to_owned() })
    }

    /// Makes a request; what the kernel has left in its place.
    ///
    /// # Safety
    /// The opcode takes an `ifreq` that holds such a value, and what a pointer in it leads to is as large as the kernel
    /// takes it for, and lives over the call.
    pub(super) unsafe fn call<T: Value>(&self, opcode: Opcode, value: T) -> Result<T, Errno> {
        let call = Call { request: Request { name: self.name, value }, opcode };
        // SAFETY: by this function's demand.
        unsafe { rustix::ioctl::ioctl(&self.socket, call) }
    }

    /// What an error of [`Device::call`] means; `what` is what was asked for.
    pub(super) fn failed(&self, what: &str, error: Errno) -> KernelError {
        match error {
            Errno::PERM => KernelError::Capability("CAP_NET_ADMIN".to_owned()),
            Errno::NODEV => KernelError::NoInterface(self.interface.clone()),
            _ => KernelError::other(format!("{what} of {}", self.interface), error),
        }
    }

    fn numbers(&self, opcode: Opcode, what: &str, first: u64) -> Result<u64, KernelError> {
        // SAFETY: the opcodes of this file hold a number of 2 or 4 octets, and no pointer.
        let answer: Result<Numbers, Errno> = unsafe { self.call(opcode, [first, 0, 0]) };
        answer.map(|[first, ..]| first).map_err(|error| self.failed(what, error))
    }

    /// The 16 bits of `ifr_flags`.
    fn bits(&self) -> Result<u16, KernelError> {
        let [low, high, ..] = self.numbers(SIOCGIFFLAGS, "flags", 0)?.to_ne_bytes();
        Ok(u16::from_ne_bytes([low, high]))
    }

    /// Sets or clears one flag and leaves the others. Another process that changes flags at the same moment may be undone.
    fn set(&self, flag: u16, on: bool) -> Result<(), KernelError> {
        let old = self.bits()?;
        let new = if on { old | flag } else { old & !flag };
        if new == old {
            return Ok(());
        }
        let [low, high] = new.to_ne_bytes();
        self.numbers(SIOCSIFFLAGS, "flags", u64::from_ne_bytes([low, high, 0, 0, 0, 0, 0, 0])).map(drop)
    }
}

/// What matters of an interface's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// Set up by an administrator (IFF_UP).
    pub up: bool,
    /// Up, and the link is there (IFF_RUNNING).
    pub running: bool,
    /// Switched to take frames for any address (IFF_PROMISC). A capture or a bridge of the kernel that has it so for
    /// itself is not shown here.
    pub promiscuous: bool,
}

/// Flags of an interface.
///
/// # Errors
/// There is no such interface.
pub fn flags(interface: &str) -> Result<Flags, KernelError> {
    let bits = Device::open(interface)?.bits()?;
    let has = |flag| bits & flag != 0;
    Ok(Flags { up: has(IFF_UP), running: has(IFF_RUNNING), promiscuous: has(IFF_PROMISC) })
}

/// Sets an interface up or down.
///
/// # Errors
/// There is no such interface, or CAP_NET_ADMIN is missing.
pub fn set_up(interface: &str, up: bool) -> Result<(), KernelError> {
    Device::open(interface)?.set(IFF_UP, up)
}

/// Switches promiscuous mode.
///
/// # Errors
/// There is no such interface, or CAP_NET_ADMIN is missing.
pub fn set_promiscuous(interface: &str, on: bool) -> Result<(), KernelError> {
    Device::open(interface)?.set(IFF_PROMISC, on)
}

/// Octets of the longest packet, without the Ethernet header.
///
/// # Errors
/// There is no such interface.
pub fn mtu(interface: &str) -> Result<u32, KernelError> {
    let [a, b, c, d, ..] = Device::open(interface)?.numbers(SIOCGIFMTU, "MTU", 0)?.to_ne_bytes();
    Ok(u32::from_ne_bytes([a, b, c, d]))
}

/// Queues by which frames come in, numbered from 0 on; 1 where the driver cannot say.
///
/// # Errors
/// There is no such interface.
pub fn rx_queues(interface: &str) -> Result<u32, KernelError> {
    Ok(Device::open(interface)?.rx_channels()?.unwrap_or(1).max(1))
}

/// Switches promiscuous mode on until [`restore`], unless it is on already.
///
/// # Errors
/// As [`set_promiscuous`], or the note cannot be written.
pub fn make_promiscuous(bpffs: &Path, interface: &str) -> Result<(), KernelError> {
    if flags(interface)?.promiscuous {
        return Ok(());
    }
    // Noted first: it does no harm to switch off what was not switched on after all.
    Note::Promiscuous.write(bpffs, interface, "on")?;
    set_promiscuous(interface, true)?;
    log::info!("{interface}: promiscuous until `ss7guard detach`");
    Ok(())
}

/// Sets an interface down because the other side of the bridge has no link; true if it was up.
///
/// # Errors
/// As [`set_up`], or the note cannot be written.
pub fn pass_link_down(bpffs: &Path, interface: &str) -> Result<bool, KernelError> {
    if !flags(interface)?.up {
        return Ok(false);
    }
    Note::LinkDown.write(bpffs, interface, "down")?;
    set_up(interface, false)?;
    Ok(true)
}

/// Sets an interface up again that [`pass_link_down`] has set down, now or in an earlier life; true if it had.
///
/// # Errors
/// As [`set_up`]; the note stays then. An interface that is gone needs nothing.
pub fn pass_link_up(bpffs: &Path, interface: &str) -> Result<bool, KernelError> {
    if !is_passed_down(bpffs, interface) {
        return Ok(false);
    }
    if interface_index(interface).is_some() {
        set_up(interface, true)?;
    }
    Note::LinkDown.forget(bpffs, interface)?;
    Ok(true)
}

/// Whether an interface is down because [`pass_link_down`] has set it so, by the note.
#[must_use]
pub fn is_passed_down(bpffs: &Path, interface: &str) -> bool {
    Note::LinkDown.read(bpffs, interface).is_some()
}

/// Puts back what [`make_promiscuous`] and [`pass_link_down`] have changed on an interface.
///
/// # Errors
/// The kernel refuses; the note stays then.
pub fn restore(bpffs: &Path, interface: &str) -> Result<(), KernelError> {
    if Note::Promiscuous.read(bpffs, interface).is_some() {
        if interface_index(interface).is_some() {
            set_promiscuous(interface, false)?;
            log::info!("{interface}: no longer promiscuous");
        }
        Note::Promiscuous.forget(bpffs, interface)?;
    }
    if pass_link_up(bpffs, interface)? {
        log::info!("{interface}: set up again");
    }
    Ok(())
}

/// Interfaces with something to [`restore`], attached or not.
pub(super) fn noted(bpffs: &Path) -> Result<Vec<String>, KernelError> {
    let mut interfaces = Note::Promiscuous.interfaces(bpffs)?;
    interfaces.extend(Note::LinkDown.interfaces(bpffs)?);
    interfaces.sort();
    interfaces.dedup();
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_answers() {
        let found = flags("lo").expect("flags");
        assert!(!found.promiscuous);
        assert!(mtu("lo").expect("MTU") >= 1_280, "{:?}", mtu("lo"));
        assert_eq!(rx_queues("lo").expect("queues"), 1, "its driver has no channels");
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        for name in ["ss7g-not-here", "a-name-that-is-too-long-for-any"] {
            for error in [flags(name).map(drop), mtu(name).map(drop), rx_queues(name).map(drop)] {
                assert!(matches!(&error, Err(KernelError::NoInterface(named)) if named == name), "{error:?}");
            }
        }
    }

    #[test]
    fn an_interface_that_is_gone_needs_no_restoring_and_leaves_no_note() {
        let folder = tempfile::tempdir().expect("folder");
        Note::Promiscuous.write(folder.path(), "ss7g-not-here", "on").expect("written");
        Note::LinkDown.write(folder.path(), "ss7g-not-here", "down").expect("written");
        assert!(is_passed_down(folder.path(), "ss7g-not-here"));
        assert_eq!(noted(folder.path()).expect("listed"), ["ss7g-not-here"]);
        restore(folder.path(), "ss7g-not-here").expect("nothing to do");
        assert!(noted(folder.path()).expect("listed").is_empty());
    }
}
