//! Network namespaces that go away with their owner, even on panic, and named ones that outlive it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use ss7guard_userspace::kernel::offloads;
use std::os::fd::AsFd as _;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A namespace of our own.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// Whether it outlives this value.
    stays: bool,
}

impl Namespace {
    /// Makes a namespace; `role` is part of its name.
    ///
    /// # Errors
    /// Not root, or `ip` is missing.
    pub fn new(role: &str) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::make(format!("s7g-{}-{number}-{role}", std::process::id()), false)
    }

    /// Makes a namespace with this name, which stays until [`Self::remove`].
    ///
    /// # Errors
    /// Not root, `ip` is missing, or there is one with this name.
    pub fn named(name: &str) -> Result<Self> {
        Self::make(name.to_owned(), true)
    }

    /// The namespace that has this name; it stays.
    ///
    /// # Errors
    /// There is none.
    pub fn existing(name: &str) -> Result<Self> {
        let namespace = Self { name: name.to_owned(), stays: true };
        ensure!(namespace.path().exists(), "there is no network namespace {name}");
        Ok(namespace)
    }

    fn make(name: String, stays: bool) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "network namespaces need root (CAP_SYS_ADMIN)");
        ip(&["netns", "add", &name])?;
        let namespace = Self { name, stays };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Takes the name away; the namespace ends with the last process or file that holds it.
    ///
    /// # Errors
    /// `ip` fails.
    pub fn remove(mut self) -> Result<()> {
        self.stays = true;
        ip(&["netns", "del", &self.name])
    }

    /// Number by which the kernel knows it (the inode number of its file).
    ///
    /// # Errors
    /// It is gone.
    pub fn number(&self) -> Result<u64> {
        let path = self.path();
        Ok(fs::metadata(&path).with_context(|| path.display().to_string())?.ino())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// Runs `ip` in it.
    ///
    /// # Errors
    /// `ip` fails.
    pub fn ip(&self, arguments: &[&str]) -> Result<()> {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments);
        ip(&all)
    }

    /// Runs a closure on a thread of its own inside the namespace. Sockets and processes that it makes stay there.
    ///
    /// # Errors
    /// The namespace cannot be entered, or the closure fails.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = self.path();
        thread::scope(|scope| {
            scope
                .spawn(move || {
                    let namespace = File::open(&path).with_context(|| path.display().to_string())?;
                    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                        .context("enter the namespace")?;
                    work()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.stays
            && let Err(error) = ip(&["netns", "del", &self.name])
        {
            eprintln!("namespace {}: {error:#}", self.name);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("run `ip` (package iproute2)")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Interface of the host's namespace, where the firewall sits.
pub const HOST_INTERFACE: &str = "sig0";
/// Interface of the world's namespace.
pub const WORLD_INTERFACE: &str = "wan0";

/// Two namespaces on one wire: the host with the local SCTP node, and the world with its peers.
#[derive(Debug)]
pub struct Wire {
    /// The host.
    pub host: Namespace,
    /// The world.
    pub world: Namespace,
}

impl Wire {
    /// Makes the namespaces, the wire, and the addresses: the host is 10.7.0.1 and fd07::1, the world has
    /// 10.7.0.11 to 10.7.0.19 and fd07::11 to fd07::19.
    ///
    /// # Errors
    /// Not root, or `ip` fails.
    pub fn new() -> Result<Self> {
        let wire = Self { host: Namespace::new("host")?, world: Namespace::new("world")? };
        cable(&wire.host, HOST_INTERFACE, &wire.world, WORLD_INTERFACE)?;
        wire.address()?;
        Ok(wire)
    }

    /// Gives the two ends their addresses.
    ///
    /// # Errors
    /// `ip` fails.
    pub fn address(&self) -> Result<()> {
        self.host.ip(&["addr", "add", "10.7.0.1/24", "dev", HOST_INTERFACE])?;
        self.host.ip(&["addr", "add", "fd07::1/64", "dev", HOST_INTERFACE, "nodad"])?;
        for peer in 11..20 {
            self.world.ip(&["addr", "add", &format!("10.7.0.{peer}/24"), "dev", WORLD_INTERFACE])?;
            self.world.ip(&["addr", "add", &format!("fd07::{peer}/64"), "dev", WORLD_INTERFACE, "nodad"])?;
        }
        Ok(())
    }
}

/// A pair of interfaces, up, with an end in each namespace.
///
/// # Errors
/// `ip` fails.
pub fn cable(here: &Namespace, this_end: &str, there: &Namespace, other_end: &str) -> Result<()> {
    cable_with_queues(here, this_end, there, other_end, 1)
}

/// The same, with so many queues in each direction.
///
/// # Errors
/// `ip` fails.
fn cable_with_queues(
    here: &Namespace,
    this_end: &str,
    there: &Namespace,
    other_end: &str,
    queues: u32,
) -> Result<()> {
    let number = queues.to_string();
    let queues = ["numrxqueues", &number, "numtxqueues", &number];
    let add =
        [&["link", "add", this_end][..], &queues, &["type", "veth", "peer", "name", other_end]].concat();
    here.ip(&[&add[..], &queues, &["netns", there.name()]].concat())?;
    here.ip(&["link", "set", this_end, "up"])?;
    there.ip(&["link", "set", other_end, "up"])
}

/// Interface of a bridge that leads to the world.
pub const BRIDGE_INTERCONNECT: &str = "ix0";
/// Interface of a bridge that leads to the host.
pub const BRIDGE_HOME: &str = "core0";

/// A wire with a bridge in it: host, bridge and world, each a namespace of its own. Without a program on the bridge's
/// interfaces nothing goes through.
#[derive(Debug)]
pub struct BridgedWire {
    /// The ends.
    pub wire: Wire,
    /// What is between them.
    pub bridge: Namespace,
}

impl BridgedWire {
    /// Makes the namespaces and both halves of the wire, with the addresses of [`Wire::new`].
    ///
    /// # Errors
    /// Not root, `ip` fails, or the kernel refuses.
    pub fn new() -> Result<Self> {
        Self::with_queues(1)
    }

    /// The same, where each interface has so many queues in each direction.
    ///
    /// # Errors
    /// Not root, `ip` fails, or the kernel refuses.
    pub fn with_queues(queues: u32) -> Result<Self> {
        let wire = Wire { host: Namespace::new("host")?, world: Namespace::new("world")? };
        let bridge = Namespace::new("bridge")?;
        join(&wire, &bridge, queues)?;
        wire.address()?;
        Ok(Self { wire, bridge })
    }
}

/// Cables from both ends to a bridge's namespace, where each interface has so many queues in each direction.
///
/// # Errors
/// `ip` fails, or the kernel refuses.
pub fn join(wire: &Wire, bridge: &Namespace, queues: u32) -> Result<()> {
    cable_with_queues(bridge, BRIDGE_HOME, &wire.host, HOST_INTERFACE, queues)?;
    cable_with_queues(bridge, BRIDGE_INTERCONNECT, &wire.world, WORLD_INTERFACE, queues)?;
    takes_redirects(&wire.host, HOST_INTERFACE)?;
    takes_redirects(&wire.world, WORLD_INTERFACE)
}

impl BridgedWire {
    /// Frames that the cables themselves have lost so far, because a busy machine did not take them in time.
    ///
    /// # Errors
    /// An interface is not there.
    pub fn lost(&self) -> Result<u64> {
        let ends = [
            (&self.bridge, BRIDGE_HOME),
            (&self.bridge, BRIDGE_INTERCONNECT),
            (&self.wire.host, HOST_INTERFACE),
            (&self.wire.world, WORLD_INTERFACE),
        ];
        ends.into_iter().map(|(namespace, interface)| namespace.inside(|| dropped(interface))).sum()
    }
}

/// Frames that an interface of this thread's namespace has dropped, in either direction (proc(5): /proc/net/dev).
fn dropped(interface: &str) -> Result<u64> {
    const DROPPED: [usize; 2] = [3, 11];
    let text = fs::read_to_string("/proc/thread-self/net/dev")?;
    let counts = text.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'));
    let counts: Vec<&str> = counts.with_context(|| format!("no {interface}"))?.split_whitespace().collect();
    DROPPED.iter().map(|at| Ok(counts.get(*at).context("a column")?.parse::<u64>()?)).sum()
}

/// Has one end of a veth pair take frames that a program redirects to the other: it needs a poll loop for them, which it has
/// with GRO (Linux, drivers/net/veth.c: veth_xdp_xmit).
///
/// # Errors
/// The kernel refuses.
pub fn takes_redirects(namespace: &Namespace, interface: &str) -> Result<()> {
    namespace.inside(|| Ok(offloads::switch(interface, &["rx-gro".to_owned()], true)?))
}
