//! The same over other wires: IPv6, one and two VLAN tags, I-DATA, and with the other form of rewriting.

use ss7guard_lab::vm::scene::bare_wire;
use ss7guard_lab::vm::straight::{Case, check_unnoticed, tagged_wire};

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn ipv6() {
    let case = Case { v6: true, ..Case::default() };
    check_unnoticed(&bare_wire().expect("wire"), case).expect("unnoticed");
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn i_data() {
    let case = Case { interleaving: true, ..Case::default() };
    check_unnoticed(&bare_wire().expect("wire"), case).expect("unnoticed");
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn i_data_over_ipv6_in_the_plain_form() {
    let case = Case { v6: true, interleaving: true, plain: true, ..Case::default() };
    check_unnoticed(&bare_wire().expect("wire"), case).expect("unnoticed");
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn one_vlan_tag() {
    let case = Case { tags: &[0x8100], ..Case::default() };
    check_unnoticed(&tagged_wire(&["802.1Q"]).expect("wire"), case).expect("unnoticed");
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn two_vlan_tags_over_ipv6_in_the_plain_form() {
    let case = Case { v6: true, plain: true, tags: &[0x88a8, 0x8100], ..Case::default() };
    check_unnoticed(&tagged_wire(&["802.1ad", "802.1Q"]).expect("wire"), case).expect("unnoticed");
}
