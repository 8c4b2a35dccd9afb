//! Namespaces and wires of each deployment, all of them with names of the lab's own.

use anyhow::{Context as _, Result, bail};
use ss7guard_lab::netns::{
    BRIDGE_INTERCONNECT, HOST_INTERFACE, Namespace, WORLD_INTERFACE, Wire, cable, join,
};

use crate::arguments::Deployment;
use crate::state::{Made, Name, State};

/// Where the SCTP endpoint is.
pub(crate) const HOST: &str = "host";
/// Where the carriers are.
pub(crate) const WORLD: &str = "world";
/// The switch with the mirror port.
const SWITCH: &str = "switch";
/// Where the firewall is that reads a mirror port.
const TAP: &str = "tap";
/// Where the firewall is that everything goes through.
const BRIDGE: &str = "bridge";

/// The interface of the firewall at a mirror port.
const TAP_INTERFACE: &str = "tap0";

impl Deployment {
    /// Roles of the namespaces that it takes.
    fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Host => &[HOST, WORLD],
            Self::Bridge => &[HOST, WORLD, BRIDGE],
            Self::Tap => &[HOST, WORLD, SWITCH, TAP],
        }
    }

    /// Role of the namespace where the firewall is, and its interface there; of a bridge the one that leads to the world.
    pub(crate) const fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Host => (HOST, HOST_INTERFACE),
            Self::Bridge => (BRIDGE, BRIDGE_INTERCONNECT),
            Self::Tap => (TAP, TAP_INTERFACE),
        }
    }
}

/// Refuses if there is a namespace with a name of ours, which is then nobody's lab.
pub(crate) fn ensure_free(name: &Name, deployment: Deployment) -> Result<()> {
    for role in deployment.roles() {
        let name = name.namespace(role);
        if Namespace::existing(&name).is_ok() {
            bail!(
                "there is a network namespace {name} that no lab has noted: look at it, then `ip netns del {name}`"
            );
        }
    }
    Ok(())
}

/// Makes them.
pub(crate) fn make(state: &mut State) -> Result<()> {
    let mut made = Vec::new();
    for role in state.deployment.roles() {
        let name = state.name.namespace(role);
        state.namespaces.push(Made { name: name.clone(), number: None });
        state.save()?;
        let namespace = Namespace::named(&name)?;
        if let Some(last) = state.namespaces.last_mut() {
            last.number = Some(namespace.number()?);
        }
        state.save()?;
        made.push(namespace);
    }
    let mut made = made.into_iter();
    let mut next = || made.next().context("a namespace");
    let wire = Wire { host: next()?, world: next()? };
    match state.deployment {
        Deployment::Host => cable(&wire.host, HOST_INTERFACE, &wire.world, WORLD_INTERFACE)?,
        Deployment::Bridge => join(&wire, &next()?, 1)?,
        Deployment::Tap => mirror(&wire, &next()?, &next()?)?,
    }
    wire.address()
}

/// A switch that learns nothing gives each frame out on every other port: on the third, all that passes between the
/// first two.
fn mirror(wire: &Wire, switch: &Namespace, tap: &Namespace) -> Result<()> {
    switch.ip(&["link", "add", "br0", "type", "bridge", "ageing_time", "0", "mcast_snooping", "0"])?;
    switch.ip(&["link", "set", "br0", "up"])?;
    let ports = [
        ("host0", &wire.host, HOST_INTERFACE),
        ("world0", &wire.world, WORLD_INTERFACE),
        ("mirror0", tap, TAP_INTERFACE),
    ];
    for (port, there, interface) in ports {
        cable(switch, port, there, interface)?;
        switch.ip(&["link", "set", port, "master", "br0"])?;
        switch.ip(&["link", "set", port, "type", "bridge_slave", "learning", "off"])?;
    }
    // Nothing comes from the mirror port.
    tap.ip(&["link", "set", TAP_INTERFACE, "arp", "off", "addrgenmode", "none"])
}

/// Takes away the namespaces that are still the ones that were made; says which are not.
pub(crate) fn take_away(state: &State) -> Result<()> {
    for made in &state.namespaces {
        let Ok(namespace) = Namespace::existing(&made.name) else { continue };
        if made.number.is_some_and(|number| namespace.number().is_ok_and(|now| now != number)) {
            eprintln!("network namespace {} is another one by now: left as it is", made.name);
            continue;
        }
        namespace.remove()?;
    }
    Ok(())
}
