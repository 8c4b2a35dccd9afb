//! The least XDP program that AF_XDP needs: metadata in front of each frame, and off to the socket of its queue.
//!
//! Written by hand and loaded by bpf(2) itself, so that sockets are tried without the firewall's own programs.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use ss7guard_userspace::kernel::interface_index;

use crate::netns::Namespace;

/// What the program leaves in front of each frame.
pub const METADATA: [u8; 16] = *b"sixteen of them.";

/// The program on one interface, until this value goes.
#[derive(Debug)]
pub struct Redirect {
    _link: OwnedFd,
    _map: OwnedFd,
}

impl Redirect {
    /// Attaches it in the driver; `socket` is on queue 0 of the interface.
    ///
    /// # Errors
    /// Not root, or the kernel refuses.
    pub fn attach(namespace: &Namespace, interface: &str, socket: impl AsFd) -> Result<Self> {
        // linux/bpf.h: commands, BPF_MAP_TYPE_XSKMAP, BPF_PROG_TYPE_XDP, BPF_XDP; linux/if_link.h: XDP_FLAGS_DRV_MODE.
        let [map_create, map_update, prog_load, link_create] = [0, 2, 5, 28];
        let [xskmap, xdp_program, xdp_link, in_driver] = [17, 6, 37, 4];
        // Type, octets of a key and of a value, entries.
        let map = bpf(map_create, &[both(xskmap, 4), both(4, 1)]).context("a map of sockets")?;
        let map = owned(map);
        let (key, value) = (0u32, socket.as_fd().as_raw_fd());
        let [at_key, at_value] =
            [(&raw const key).expose_provenance(), (&raw const value).expose_provenance()];
        bpf(map_update, &[both(number(&map), 0), at_key as u64, at_value as u64, 0]).context("the socket")?;
        let code = program(number(&map));
        let [at_code, licence] =
            [code.as_ptr().expose_provenance(), c"Dual MIT/GPL".as_ptr().expose_provenance()];
        let what = [both(xdp_program, code.len() as u32), at_code as u64, licence as u64];
        let program = owned(bpf(prog_load, &what).context("the program")?);
        let link = namespace.inside(|| {
            let index = interface_index(interface).context("no such interface")?;
            Ok(bpf(link_create, &[both(number(&program), index), both(xdp_link, in_driver)])?)
        });
        Ok(Self { _link: owned(link.context("the link")?), _map: map })
    }
}

/// Two numbers of 32 bits, as they follow each other in memory (the tests run on little-endian machines).
const fn both(first: u32, second: u32) -> u64 {
    first as u64 | (second as u64) << 32
}

fn number(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn owned(fd: i32) -> OwnedFd {
    // SAFETY: a descriptor that the kernel has made just now for the caller.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// bpf(2); what is not given of the attributes is zero.
fn bpf(command: i32, attributes: &[u64]) -> io::Result<i32> {
    let mut all = [0u64; 16];
    all[..attributes.len()].copy_from_slice(attributes);
    // SAFETY: the attributes have this length, and the callers keep what pointers in them lead to.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, all.as_ptr(), size_of_val(&all)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

/// The instructions (RFC 9669): operation, registers, offset, number.
fn program(map: u32) -> Vec<u64> {
    let code = |operation: u8, to: u8, from: u8, offset: i16, number: i32| {
        u64::from(operation)
            | u64::from(to | from << 4) << 8
            | u64::from(offset.cast_unsigned()) << 16
            | u64::from(number.cast_unsigned()) << 32
    };
    let half = |at: usize| i32::from_le_bytes(METADATA[at..at + 4].try_into().unwrap_or_default());
    vec![
        code(0xbf, 6, 1, 0, 0),       // r6 = r1, the context
        code(0xb7, 2, 0, 0, -16),     // r2 = -16
        code(0x85, 0, 0, 0, 54),      // bpf_xdp_adjust_meta(r1, r2)
        code(0x55, 0, 0, 15, 0),      // if r0 != 0 goto pass
        code(0x61, 2, 6, 8, 0),       // r2 = data_meta
        code(0x61, 3, 6, 0, 0),       // r3 = data
        code(0xbf, 4, 2, 0, 0),       // r4 = r2
        code(0x07, 4, 0, 0, 16),      // r4 += 16
        code(0x2d, 4, 3, 10, 0),      // if r4 > r3 goto pass
        code(0x62, 2, 0, 0, half(0)), // the metadata, four octets each
        code(0x62, 2, 0, 4, half(4)),
        code(0x62, 2, 0, 8, half(8)),
        code(0x62, 2, 0, 12, half(12)),
        code(0x18, 1, 1, 0, map.cast_signed()), // r1 = the map, in two instructions
        0,
        code(0x61, 2, 6, 16, 0), // r2 = rx_queue_index
        code(0xb7, 3, 0, 0, 2),  // r3 = XDP_PASS, where the queue has no socket
        code(0x85, 0, 0, 0, 51), // bpf_redirect_map(r1, r2, r3)
        code(0x95, 0, 0, 0, 0),  // exit
        code(0xb7, 0, 0, 0, 2),  // pass: r0 = XDP_PASS
        code(0x95, 0, 0, 0, 0),  // exit
    ]
}
