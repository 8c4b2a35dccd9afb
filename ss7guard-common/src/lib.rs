//! What the kernel program and the controller share: wire formats, the classifier, verdicts, map layout.
#![no_std]
