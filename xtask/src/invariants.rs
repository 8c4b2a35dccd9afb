//! The architecture invariants as code: what may be used where. Each breach is one line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Lines of a source file at most.
const MAX_LINES: usize = 600;
/// Lines of a `main.rs` at most.
const MAX_MAIN_LINES: usize = 70;

/// Source files of the project, with paths relative to the workspace.
fn sources(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["ebpf-build", "fuzz", "ss7guard-common", "ss7guard-ebpf", "ss7guard-userspace", "tests", "xtask"]
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
    for lock in ["Cargo.lock", "fuzz/Cargo.lock", "ss7guard-ebpf/Cargo.lock"] {
        // 1: not in the index. Outside a repository, as in a source archive, git says 128.
        let listed = Command::new("git")
            .current_dir(root)
            .args(["ls-files", "--error-unmatch", lock])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !root.join(lock).exists() || listed.is_ok_and(|status| status.code() == Some(1)) {
            broken.push(format!("{lock}:1: the lock file is committed"));
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
                || path.starts_with("ss7guard-userspace/src/reassembly/")
                || path.starts_with("ss7guard-userspace/src/hold/")
                || path.starts_with("ss7guard-userspace/src/screening/")
                || path.starts_with("ss7guard-userspace/src/explain/")
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
                || path.starts_with("ss7guard-userspace/src/reassembly/")
                || path.starts_with("ss7guard-userspace/src/hold/")
                || path.starts_with("ss7guard-userspace/src/screening/")
                || path.starts_with("ss7guard-userspace/src/explain/")
        },
        words: &["unsafe "],
        rule: "decoding and rules hold no unsafe code",
    },
    Ban {
        applies: |path| path.starts_with("ss7guard-ebpf/src/") && path != "ss7guard-ebpf/src/packet.rs",
        words: &[
            "data_end",
            ".data()",
            ").data ",
            "bpf_xdp_load_bytes",
            "bpf_skb_load_bytes",
            "bpf_xdp_store_bytes",
            "bpf_skb_store_bytes",
        ],
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
        let attribute = code.trim_start();
        if (attribute.starts_with("#[expect(") || attribute.starts_with("#![expect("))
            && !states_reason(text, number)
        {
            say(number, "an exception states its reason");
        }
        if path.starts_with("ss7guard-ebpf/src/")
            && line_above(text, number).is_some_and(|above| KERNEL_OBJECTS.contains(&above))
            && kernel_name(code).is_some_and(|name| name.len() > MAX_KERNEL_NAME)
        {
            say(number, "names of maps and programs have at most 15 characters");
        }
    }
    broken
}

/// Attributes of what the kernel knows by name.
const KERNEL_OBJECTS: [&str; 4] = ["#[map]", "#[xdp]", "#[xdp(frags)]", "#[classifier]"];
/// Characters that the kernel keeps of a name.
const MAX_KERNEL_NAME: usize = 15;

/// The line above this one.
fn line_above(text: &str, number: usize) -> Option<&str> {
    text.lines().nth(number.checked_sub(2)?).map(str::trim)
}

/// The name that a line gives to a static or a function.
fn kernel_name(code: &str) -> Option<&str> {
    let after = |word: &str| code.split_once(word).map(|(_, rest)| rest);
    let rest = after("static ").or_else(|| after("fn "))?;
    rest.trim_start_matches("mut ").split([':', '(', '<']).next().map(str::trim)
}

/// Whether the attribute that starts on this line has a reason before it ends.
fn states_reason(text: &str, number: usize) -> bool {
    let mut depth = 0_usize;
    for line in text.lines().skip(number.saturating_sub(1)) {
        if line.contains("reason =") {
            return true;
        }
        depth = (depth + line.matches('(').count()).saturating_sub(line.matches(')').count());
        if depth == 0 {
            return false;
        }
    }
    false
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
            ("ss7guard-ebpf/src/punt.rs", "let start = ctx.data();", "packet.rs only"),
            (
                "ss7guard-ebpf/src/maps.rs",
                "#[map]\npub(crate) static A_NAME_THAT_IS_LONG: Array<u8> = x;",
                "15 characters",
            ),
            (
                "ss7guard-ebpf/src/main.rs",
                "#[xdp(frags)]\npub fn sixteen_letters_(ctx: XdpContext) -> u32 {",
                "15 characters",
            ),
            ("xtask/src/utils.rs", "", "says nothing"),
            ("tests/src/a.rs", "#[expect(clippy::x)]", "reason"),
            (
                "tests/src/a.rs",
                "#[expect(clippy::x)]\nfn a() {}\n#[expect(clippy::y, reason = \"z\")]",
                "a.rs:1: an exception",
            ),
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
            ("ss7guard-ebpf/src/maps.rs", "#[map]\nstatic FIFTEEN_LETTERS: Array<u8> = x;"),
            ("ss7guard-ebpf/src/main.rs", "#[xdp]\npub fn ss7guard_xdp(ctx: XdpContext) -> u32 {"),
            ("tests/src/a.rs", "#[expect(\n    clippy::x,\n    reason = \"y\"\n)]"),
        ] {
            assert!(check_file(path, text).is_empty(), "{path}: {:?}", check_file(path, text));
        }
    }
}
