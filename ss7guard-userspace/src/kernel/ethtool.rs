//! Features of an interface, by name, and its queues, through the kernel's ethtool requests (linux/ethtool.h).
//!
//! Names are those that `ethtool -k` calls the kernel's own ("rx-lro", "rx-gro-hw", ...). Every word is in host order.

use std::ffi::c_void;

use rustix::io::Errno;
use rustix::ioctl::Opcode;

use crate::kernel::KernelError;
use crate::kernel::device::{Device, Value};

const SIOCETHTOOL: Opcode = 0x8946;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_GFEATURES: u32 = 0x3a;
const ETHTOOL_SFEATURES: u32 = 0x3b;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
/// The set of strings that names features.
const ETH_SS_FEATURES: u32 = 4;
/// Octets of one name, with its terminating zeros.
const ETH_GSTRING_LEN: usize = 32;
/// Features that are asked for at most; Linux has about 70.
const MAX_FEATURES: usize = 1_024;

/// One feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Feature {
    /// Its name.
    pub(super) name: String,
    /// Whether it is on.
    pub(super) active: bool,
    /// Whether it can be switched.
    pub(super) changeable: bool,
}

/// What an ethtool request takes in an `ifreq`: a pointer.
#[derive(Clone, Copy)]
#[repr(C)]
struct Pointer {
    data: *mut c_void,
    rest: [u64; 2],
}

// SAFETY: 24 octets on machines of 64 bits (the request asserts it), and the kernel leaves the pointer as it is.
unsafe impl Value for Pointer {}

const FEATURES: &str = "features";

impl Device {
    fn ask(&self, words: &mut [u32]) -> Result<(), Errno> {
        let pointer = Pointer { data: words.as_mut_ptr().cast(), rest: [0; 2] };
        // SAFETY: `words` lives over the call, and each caller makes it as large as its command asks for.
        unsafe { self.call(SIOCETHTOOL, pointer) }.map(drop)
    }

    /// Names of all features, in the kernel's order; unused places are empty.
    fn names(&self) -> Result<Vec<String>, KernelError> {
        // Command, reserved, mask of sets in two words, then one length for each set asked for.
        let mut info = [ETHTOOL_GSSET_INFO, 0, 0, 0, 0];
        let mask = (1u64 << ETH_SS_FEATURES).to_ne_bytes();
        let (low, high) = mask.split_at(4);
        info[2] = u32::from_ne_bytes(low.try_into().unwrap_or_default());
        info[3] = u32::from_ne_bytes(high.try_into().unwrap_or_default());
        self.ask(&mut info).map_err(|error| self.failed(FEATURES, error))?;
        let count = (info[4] as usize).min(MAX_FEATURES);
        let mut strings = vec![0u32; 3 + count * ETH_GSTRING_LEN / 4];
        strings[..3].copy_from_slice(&[ETHTOOL_GSTRINGS, ETH_SS_FEATURES, info[4].min(MAX_FEATURES as u32)]);
        self.ask(&mut strings).map_err(|error| self.failed(FEATURES, error))?;
        let octets: Vec<u8> = strings.iter().skip(3).flat_map(|word| word.to_ne_bytes()).collect();
        let names = octets.chunks_exact(ETH_GSTRING_LEN).map(|name| {
            let end = name.iter().position(|octet| *octet == 0).unwrap_or(name.len());
            String::from_utf8_lossy(&name[..end]).into_owned()
        });
        Ok(names.collect())
    }

    /// Every feature with its state.
    ///
    /// # Errors
    /// The kernel refuses; an interface without any has none.
    pub(super) fn features(&self) -> Result<Vec<Feature>, KernelError> {
        let names = self.names()?;
        let blocks = names.len().div_ceil(32);
        // Command and number of blocks; a block is available, requested, active, never changed.
        let mut words = vec![0u32; 2 + 4 * blocks];
        words[..2].copy_from_slice(&[ETHTOOL_GFEATURES, blocks as u32]);
        self.ask(&mut words).map_err(|error| self.failed(FEATURES, error))?;
        let bit = |index: usize, what: usize| {
            words.get(2 + index / 32 * 4 + what).is_some_and(|word| word >> (index % 32) & 1 == 1)
        };
        let named = names.into_iter().enumerate().filter(|(_, name)| !name.is_empty());
        Ok(named
            .map(|(index, name)| Feature {
                name,
                active: bit(index, 2),
                changeable: bit(index, 0) && !bit(index, 3),
            })
            .collect())
    }

    /// Switches features; names that the interface does not have are left out. The caller looks again whether they
    /// took.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn switch(&self, features: &[String], on: bool) -> Result<(), KernelError> {
        let names = self.names()?;
        let blocks = names.len().div_ceil(32);
        // Command and number of blocks; a block is the mask of what is set, and what it is set to.
        let mut words = vec![0u32; 2 + 2 * blocks];
        words[..2].copy_from_slice(&[ETHTOOL_SFEATURES, blocks as u32]);
        for (index, _) in names.iter().enumerate().filter(|(_, name)| features.contains(name)) {
            let block = 2 + index / 32 * 2;
            words[block] |= 1 << (index % 32);
            words[block + 1] |= u32::from(on) << (index % 32);
        }
        self.ask(&mut words).map_err(|error| self.failed(FEATURES, error))
    }

    /// Queues by which frames come in; `None` if the driver has no notion of them.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn rx_channels(&self) -> Result<Option<u32>, KernelError> {
        // `struct ethtool_channels`: command, then received, sent, other, combined; first at most, then in use.
        let mut words = [ETHTOOL_GCHANNELS, 0, 0, 0, 0, 0, 0, 0, 0];
        match self.ask(&mut words) {
            Ok(()) => Ok(Some(words[5].saturating_add(words[8]))),
            Err(Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(self.failed("channels", error)),
        }
    }
}
