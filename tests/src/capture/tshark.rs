//! What tshark says of captures.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// What tshark says of the checksums of the SCTP packets in a file: how many it finds right.
///
/// # Errors
/// It finds one that is not, or it cannot be run.
pub fn tshark_checksums(path: &Path) -> Result<usize> {
    /// Values of the field (Wireshark's epan/proto.h).
    const GOOD: &str = "1";
    const UNVERIFIED: &str = "2";
    // The name of the algorithm until Wireshark 4.0, a mere switch later.
    for setting in ["sctp.checksum:crc-32c", "sctp.checksum:TRUE"] {
        let output = Command::new("tshark")
            .args(["-n", "-o", setting, "-T", "fields", "-e", "sctp.checksum.status", "-r"])
            .arg(path)
            .output()
            .context("run tshark")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || text.lines().all(|status| status == UNVERIFIED) {
            continue;
        }
        let wrong = text.lines().enumerate().filter(|(_, status)| *status != GOOD);
        let wrong = wrong.take(5).fold(String::new(), |mut line, (frame, status)| {
            let _ = write!(line, " frame {}: {status:?}", frame + 1);
            line
        });
        ensure!(wrong.is_empty(), "tshark finds checksums that are not good:{wrong}");
        return Ok(text.lines().count());
    }
    bail!("tshark checks no checksum of SCTP in {}", path.display())
}
