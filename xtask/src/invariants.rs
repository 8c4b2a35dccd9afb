//! The architecture invariants as code: what may be used where. Each breach is one line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Lines of a source file at most.
const MAX_LINES: usize = 600;
/// Lines of a `main.rs` at most.
const MAX_MAIN_LINES: usize = 70;

/// Source files of the project, with paths relative to the workspace.
fn sources(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["ebpf-build", "ss7guard-common", "ss7guard-ebpf", "ss7guard-userspace", "tests", "xtask"]
            .iter()
            .map(|name| root.join(name))
            .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if entry.file_name() != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                found.push((path.strip_prefix(root)?.to_path_buf(), text));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Every breach of every invariant.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for (path, text) in sources(root)? {
        broken.extend(check_file(&path.to_string_lossy(), &text));
    }
    for lock in ["Cargo.lock", "ss7guard-ebpf/Cargo.lock"] {
        if !root.join(lock).exists() {
            broken.push(format!("{lock}: is not there; it is committed"));
        }
    }
    Ok(broken)
}

/// Words that a file must not hold, with the rule that says so.
struct Ban {
    applies: fn(&str) -> bool,
    words: &'static [&'static str],
    rule: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        applies: |path| {
            path.starts_with("ss7guard-userspace/src/") && !path.starts_with("ss7guard-userspace/src/kernel/")
        },
        words: &["aya::", "aya_log::", "use aya"],
        rule: "only kernel/ speaks to BPF",
    },
    Ban {
        applies: |path| {
            path.starts_with("ss7guard-userspace/src/inspect/")
                || path.starts_with("ss7guard-userspace/src/screening/")
                || path == "ss7guard-userspace/src/host.rs"
        },
        words: &[
            "tokio",
            "Instant::now",
            "SystemTime::now",
            "Timestamp::now",
            "clock_gettime",
            "std::fs",
            "std::net::Tcp",
        ],
        rule: "decoding and rules do no I/O and read no clock",
    },
    Ban {
        applies: |path| {
            path.starts_with("ss7guard-userspace/src/inspect/")
                || path.starts_with("ss7guard-userspace/src/screening/")
        },
        words: &["unsafe "],
        rule: "decoding and rules hold no unsafe code",
    },
    Ban {
        applies: |path| path.starts_with("ss7guard-ebpf/src/") && path != "ss7guard-ebpf/src/packet.rs",
        words: &["data_end", "bpf_xdp_load_bytes", "bpf_skb_load_bytes", "bpf_xdp_store_bytes"],
        rule: "packet memory is touched in packet.rs only",
    },
    Ban {
        applies: |path| path.starts_with("ss7guard-common/src/"),
        words: &["std::fs", "std::io", "std::net::Tcp", "category", "gsm_map"],
        rule: "the common crate knows no policy and does no I/O",
    },
];

fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut say = |line: usize, rule: &str| broken.push(format!("{path}:{line}: {rule}"));
    let name = path.rsplit('/').next().unwrap_or(path);
    let lines = text.lines().count();
    if lines > MAX_LINES {
        say(lines, &format!("more than {MAX_LINES} lines"));
    }
    if name == "main.rs" && !path.starts_with("tests/") && lines > MAX_MAIN_LINES {
        say(lines, &format!("main.rs has more than {MAX_MAIN_LINES} lines"));
    }
    if matches!(name, "utils.rs" | "util.rs" | "helpers.rs" | "manager.rs") {
        say(1, "a name that says nothing");
    }
    if path == "ss7guard-common/src/lib.rs"
        && !(text.contains("#![no_std]") && text.contains("forbid(unsafe_code)"))
    {
        say(1, "the common crate is no_std and forbids unsafe code");
    }
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for ban in BANS.iter().filter(|ban| (ban.applies)(path)) {
            if ban.words.iter().any(|word| code.contains(word)) {
                say(number, ban.rule);
            }
        }
        if code.contains("#[expect(") && !code.contains("reason") && !text_continues_with_reason(text, number)
        {
            say(number, "an exception states its reason");
        }
        if path == "ss7guard-ebpf/src/maps.rs"
            && let Some(map) = code.trim_start_matches("pub ").strip_prefix("static ")
            && map.split(':').next().unwrap_or_default().len() > 15
        {
            say(number, "names of maps have at most 15 characters");
        }
    }
    broken
}

/// Whether the attribute that starts on this line has its reason on one of the next.
fn text_continues_with_reason(text: &str, number: usize) -> bool {
    text.lines().skip(number).take(4).any(|line| line.contains("reason ="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_breach_is_seen_and_named() {
        let cases = [
            ("ss7guard-userspace/src/cli/run.rs", "use aya::Ebpf;", "only kernel/"),
            ("ss7guard-userspace/src/inspect/ber.rs", "let t = Instant::now();", "no clock"),
            ("ss7guard-userspace/src/screening/mod.rs", "use tokio::time;", "no I/O"),
            ("ss7guard-ebpf/src/judge.rs", "let end = ctx.data_end();", "packet.rs only"),
            ("ss7guard-ebpf/src/maps.rs", "static A_NAME_THAT_IS_LONG: Array<u8> = x;", "15 characters"),
            ("xtask/src/utils.rs", "", "says nothing"),
            ("tests/src/a.rs", "#[expect(clippy::x)]", "reason"),
            ("ss7guard-common/src/lib.rs", "#![no_std]", "forbids unsafe"),
        ];
        for (path, text, expected) in cases {
            let broken = check_file(path, text);
            assert!(broken.iter().any(|line| line.contains(expected)), "{path}: {broken:?}");
        }
        assert!(check_file("xtask/src/a.rs", &"\n".repeat(601))[0].contains("600 lines"));
    }

    #[test]
    fn sound_files_are_not_held_to_be_broken() {
        for (path, text) in [
            ("ss7guard-userspace/src/kernel/load.rs", "use aya::Ebpf;"),
            ("ss7guard-userspace/src/inspect/ber.rs", "// Instant::now is not for here"),
            ("ss7guard-ebpf/src/maps.rs", "static BLOCK_INDEX: Array<u8> = x;"),
            ("tests/src/a.rs", "#[expect(\n    clippy::x,\n    reason = \"y\"\n)]"),
        ] {
            assert!(check_file(path, text).is_empty(), "{path}: {:?}", check_file(path, text));
        }
    }
}
