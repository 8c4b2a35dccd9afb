//! Loading the programs, over the pinned maps if there are any.

use std::path::Path;

use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfError, EbpfLoader, include_bytes_aligned};
use aya_log::EbpfLogger;
use ss7guard_common::abi::name;

use crate::config::{Config, Deployment};
use crate::kernel::attach::xdp_program;
use crate::kernel::bridge::hold_slots;
use crate::kernel::{KernelError, Maps, TitleSizes, maps};

/// The object, built from `ss7guard-ebpf`.
static OBJECT: &[u8] = include_bytes_aligned!(env!("SS7GUARD_BPF_OBJ_PATH"));

/// Loaded programs, not attached.
pub struct Loaded {
    pub(super) ebpf: Ebpf,
    logger: EbpfLogger<&'static dyn log::Log>,
    /// Whether maps were there before.
    pub adopted: bool,
}

/// Loads the programs and runs the start-up program; maps are created in the BPF file system, or taken over if they are
/// there.
///
/// # Errors
/// The pins are of another version, or the kernel refuses.
pub fn load(config: &Config) -> Result<Loaded, KernelError> {
    let adopted = Maps::present(&config.bpffs);
    if adopted {
        // Refuses pins of another version before anything is touched.
        Maps::check(&config.bpffs)?;
    }
    let bridging = config.deployment == Deployment::Bridge;
    if adopted && bridging && !maps::has_hold(&config.bpffs)? {
        return Err(KernelError::NoBridge(config.bpffs.clone()));
    }
    let titles = TitleSizes::new(config.title_entries);
    let mut loader = EbpfLoader::new();
    loader
        .default_map_pin_directory(&config.bpffs)
        .map_max_entries(name::BLOCK_DETAIL, config.block_entries)
        .map_max_entries(name::BLOCK_HITS, config.block_entries)
        .map_max_entries(name::TITLE_SEGMENTS, titles.segments)
        .map_max_entries(name::TITLE_CHUNKS, titles.chunks)
        .map_max_entries(name::TITLE_DETAIL, titles.slots)
        .map_max_entries(name::TITLE_HITS, titles.slots)
        .map_max_entries(name::HOLD_SLOTS, hold_slots(bridging))
        .map_max_entries(name::EVENTS, config.ring_bytes);
    let mut ebpf = loader.load(OBJECT).map_err(|error| explain_load(&error))?;
    for program in [xdp_program(config.deployment), name::HELLO_PROGRAM] {
        let xdp: &mut Xdp = program_mut(&mut ebpf, program)?;
        xdp.load().map_err(|error| explain_program(program, &error))?;
    }
    let tc: &mut SchedClassifier = program_mut(&mut ebpf, name::TC_PROGRAM)?;
    tc.load().map_err(|error| explain_program(name::TC_PROGRAM, &error))?;
    let logger = EbpfLogger::init(&mut ebpf).map_err(|error| KernelError::other("kernel log", error))?;
    let mut loaded = Loaded { ebpf, logger, adopted };
    loaded.self_test()?;
    Ok(loaded)
}

impl Loaded {
    /// Runs the XDP program over a frame, on no interface; gives its action. Its maps see the frame as any other.
    ///
    /// # Errors
    /// The kernel refuses the run.
    pub fn run_xdp(&mut self, frame: &[u8], repeat: u32) -> Result<u32, KernelError> {
        let xdp: &mut Xdp = program_mut(&mut self.ebpf, name::XDP_PROGRAM)?;
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
        let result = xdp.test_run(options).map_err(|error| explain_program(name::XDP_PROGRAM, &error))?;
        Ok(result.return_value)
    }

    /// Runs the XDP program over a frame once, on no interface; gives its action and the frame as it goes on.
    ///
    /// # Errors
    /// The kernel refuses the run.
    pub fn rewrite_xdp(&mut self, frame: &[u8]) -> Result<(u32, Vec<u8>), KernelError> {
        let xdp: &mut Xdp = program_mut(&mut self.ebpf, name::XDP_PROGRAM)?;
        let mut out = frame.to_vec();
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            repeat: 1,
            ..TestRunOptions::default()
        };
        let result = xdp.test_run(options).map_err(|error| explain_program(name::XDP_PROGRAM, &error))?;
        Ok((result.return_value, out))
    }

    /// Hands what the programs have logged to the log. They log at start, and each judgement if they were built with
    /// the feature `trace`.
    pub fn flush_log(&mut self) {
        self.logger.flush();
    }

    /// Runs the start-up program once, on no interface: maps, JIT and log work, and it notes the clocks. Its log line
    /// goes to the log.
    fn self_test(&mut self) -> Result<(), KernelError> {
        const XDP_PASS: u32 = 2;
        let hello: &mut Xdp = program_mut(&mut self.ebpf, name::HELLO_PROGRAM)?;
        let frame = [0u8; 64];
        let result = hello
            .test_run(TestRunOptions { data_in: Some(&frame), repeat: 1, ..TestRunOptions::default() })
            .map_err(|error| explain_program(name::HELLO_PROGRAM, &error))?;
        self.flush_log();
        if result.return_value == XDP_PASS {
            Ok(())
        } else {
            Err(KernelError::Unsupported(format!("the self-test ended with {}", result.return_value)))
        }
    }
}

pub(super) fn program_mut<'a, P>(ebpf: &'a mut Ebpf, program: &str) -> Result<&'a mut P, KernelError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    let found = ebpf
        .program_mut(program)
        .ok_or_else(|| KernelError::Unsupported(format!("the object lacks the program {program}")))?;
    found.try_into().map_err(|error: ProgramError| KernelError::other(program.to_owned(), error))
}

/// An error of the loader, with the system's word at its end.
fn explain_load(error: &EbpfError) -> KernelError {
    match errno_of(error) {
        Some(libc_errno::ENOSYS) => KernelError::Unsupported("it has no BPF".to_owned()),
        Some(libc_errno::EPERM | libc_errno::EACCES) => {
            KernelError::Capability("CAP_BPF, CAP_NET_ADMIN or CAP_PERFMON".to_owned())
        }
        _ => KernelError::other("load the maps", Flat::from_error(error)),
    }
}

/// A refused program: the end of the verifier's log says why.
fn explain_program(program: &str, error: &ProgramError) -> KernelError {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        if matches!(io_error.raw_os_error(), Some(libc_errno::EPERM)) {
            return KernelError::Capability("CAP_BPF, CAP_NET_ADMIN or CAP_PERFMON".to_owned());
        }
        let log = verifier_log.to_string();
        let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
        let tail = lines.get(lines.len().saturating_sub(6)..).unwrap_or_default().join(" | ");
        return KernelError::Unsupported(format!("the verifier refuses {program}: {io_error}: {tail}"));
    }
    KernelError::other(format!("program {program}"), Flat::from_error(error))
}

/// Numbers of asm-generic/errno.h.
mod libc_errno {
    pub(super) const EPERM: i32 = 1;
    pub(super) const EACCES: i32 = 13;
    pub(super) const ENOSYS: i32 = 38;
}

/// The system's error number at the end of a chain.
pub(super) fn errno_of(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(errno) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error) {
            return Some(errno);
        }
        next = error.source();
    }
    None
}

/// A chain of errors as one line.
#[derive(Debug)]
pub(super) struct Flat(String);

impl Flat {
    pub(super) fn from_error(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(error) = next {
            let more = error.to_string();
            if !text.ends_with(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            next = error.source();
        }
        Self(text)
    }
}

impl std::fmt::Display for Flat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Flat {}

/// Whether this path is a BPF file system with our maps.
pub(super) fn pinned(bpffs: &Path, map: &str) -> bool {
    bpffs.join(map).exists()
}
