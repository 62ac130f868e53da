//! Real processes on real (if small) networks: each host is a network namespace.
//!
//! Needs what `support/lab.rs` says; without it every test here is counted as ignored, or failed
//! under `ENTRENOUS_TESTS=require`. With `ENTRENOUS_MEASURE=1`, best as
//! `ENTRENOUS_MEASURE=1 cargo test --release --test net -- --test-threads 1`, the sizes are full,
//! the bounds strict and every figure is printed.

// A test that cannot go on has failed; `json!({})` is handed over as it is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

#[path = "../support/support.rs"]
mod support;

mod crash;
mod cut;
mod dht;
mod disks;
mod files;
mod filtering;
mod flood;
mod idle;
mod mapped;
mod nat;
mod pairing;
mod paths;
mod serving;
mod storage;
mod throughput;
mod wire;

use std::process::ExitCode;

const TESTS: &[support::trials::Test] = &[
    ("wire::the_laboratory_works", wire::the_laboratory_works),
    ("pairing::fresh_profiles_become_contacts", pairing::fresh_profiles_become_contacts),
    ("pairing::a_known_pair_is_online_again", pairing::a_known_pair_is_online_again),
    ("pairing::what_was_written_in_absence_arrives", pairing::what_was_written_in_absence_arrives),
    ("pairing::an_invite_waits_for_its_issuer", pairing::an_invite_waits_for_its_issuer),
    ("paths::ipv6_alone", paths::ipv6_alone),
    ("paths::tcp_alone", paths::tcp_alone),
    ("paths::three_hosts_three_pairs", paths::three_hosts_three_pairs),
    ("throughput::many_messages", throughput::many_messages),
    ("throughput::echo", throughput::echo),
    ("crash::kill_at_random_moments", crash::kill_at_random_moments),
    ("cut::link_is_cut_again_and_again", cut::link_is_cut_again_and_again),
    ("files::a_link_that_is_cut_is_gone_on_from", files::a_link_that_is_cut_is_gone_on_from),
    (
        "files::a_way_that_carries_less_than_before_is_gone_on_from",
        files::a_way_that_carries_less_than_before_is_gone_on_from,
    ),
    ("files::a_far_line_is_filled", files::a_far_line_is_filled),
    ("files::without_room_nothing_is_begun", files::without_room_nothing_is_begun),
    ("files::a_disk_that_fills_up_keeps_what_came", files::a_disk_that_fills_up_keeps_what_came),
    ("files::a_read_only_disk_is_said_to_be_one", files::a_read_only_disk_is_said_to_be_one),
    ("files::four_holders_are_as_fast_as_all_four", files::four_holders_are_as_fast_as_all_four),
    ("idle::costs_little", idle::costs_little),
    ("idle::with_many_contacts", idle::with_many_contacts),
    ("wire::capture_shows_nothing", wire::capture_shows_nothing),
    ("wire::two_starts_share_no_key", wire::two_starts_share_no_key),
    ("nat::a_delay_is_one", nat::a_delay_is_one),
    ("nat::a_delay_may_jitter", nat::a_delay_may_jitter),
    ("nat::port_restricted_both", nat::port_restricted_both),
    ("nat::full_cone_and_firewall", nat::full_cone_and_firewall),
    ("nat::other_ports_and_open_input", nat::other_ports_and_open_input),
    ("nat::symmetric_and_restricted", nat::symmetric_and_restricted),
    ("nat::symmetric_and_port_restricted", nat::symmetric_and_port_restricted),
    ("nat::cgnat_and_counting", nat::cgnat_and_counting),
    ("nat::udp_blocked_both", nat::udp_blocked_both),
    ("nat::udp_blocked_and_none", nat::udp_blocked_and_none),
    ("nat::rejecting_both", nat::rejecting_both),
    ("nat::ipv6_helps_two_symmetric", nat::ipv6_helps_two_symmetric),
    ("nat::one_lan_without_hairpin", nat::one_lan_without_hairpin),
    ("nat::one_router_with_hairpin", nat::one_router_with_hairpin),
    ("nat::a_lan_needs_no_way_out", nat::a_lan_needs_no_way_out),
    ("nat::far_apart_port_restricted_both", nat::far_apart_port_restricted_both),
    ("nat::far_apart_symmetric_and_port_restricted", nat::far_apart_symmetric_and_port_restricted),
    ("nat::far_apart_with_jitter", nat::far_apart_with_jitter),
    ("nat::far_apart_udp_blocked_and_none", nat::far_apart_udp_blocked_and_none),
    ("nat::far_apart_two_symmetric_are_told_why", nat::far_apart_two_symmetric_are_told_why),
    ("nat::two_symmetric_are_told_why", nat::two_symmetric_are_told_why),
    ("nat::who_has_ended_is_not_said_to_be_there", nat::who_has_ended_is_not_said_to_be_there),
    ("nat::nothing_is_between", nat::nothing_is_between),
    ("nat::many_offline_cost_little", nat::many_offline_cost_little),
    ("nat::who_was_lost_is_found_again", nat::who_was_lost_is_found_again),
    (
        "nat::who_takes_another_way_out_is_found_again",
        nat::who_takes_another_way_out_is_found_again,
    ),
    (
        "nat::whose_router_gets_another_address_is_found_again",
        nat::whose_router_gets_another_address_is_found_again,
    ),
    ("nat::who_slept_is_found_again", nat::who_slept_is_found_again),
    (
        "serving::friends_meet_by_whoever_strangers_reach",
        serving::friends_meet_by_whoever_strangers_reach,
    ),
    ("filtering::of_a_full_cone_is_seen", filtering::of_a_full_cone_is_seen),
    (
        "filtering::that_depends_on_the_address_is_seen",
        filtering::that_depends_on_the_address_is_seen,
    ),
    ("filtering::that_is_strict_stays_unknown", filtering::that_is_strict_stays_unknown),
    (
        "filtering::is_not_concluded_from_a_mapped_port",
        filtering::is_not_concluded_from_a_mapped_port,
    ),
    ("flood::of_probes_disturbs_nothing", flood::of_probes_disturbs_nothing),
    ("dht::the_public_dht_alone", dht::the_public_dht_alone),
    ("dht::what_nodes_hold_says_nothing", dht::what_nodes_hold_says_nothing),
    ("dht::nodes_that_lie", dht::nodes_that_lie),
    ("dht::nodes_that_make_up_nodes", dht::nodes_that_make_up_nodes),
    (
        "dht::nodes_that_make_up_nodes_are_most_of_the_first",
        dht::nodes_that_make_up_nodes_are_most_of_the_first,
    ),
    ("dht::nodes_that_are_made_up_cost_little", dht::nodes_that_are_made_up_cost_little),
    ("dht::nodes_that_lie_about_what_they_see", dht::nodes_that_lie_about_what_they_see),
    (
        "dht::nodes_that_are_given_are_not_dialed_again_and_again",
        dht::nodes_that_are_given_are_not_dialed_again_and_again,
    ),
    ("dht::who_is_not_there_costs_little", dht::who_is_not_there_costs_little),
    ("dht::a_hundred_who_are_not_there_cost_little", dht::a_hundred_who_are_not_there_cost_little),
    (
        "dht::three_hundred_who_are_not_there_cost_little",
        dht::three_hundred_who_are_not_there_cost_little,
    ),
    ("mapped::symmetric_with_upnp_and_symmetric", mapped::symmetric_with_upnp_and_symmetric),
    ("mapped::symmetric_with_nat_pmp_and_symmetric", mapped::symmetric_with_nat_pmp_and_symmetric),
    ("mapped::symmetric_with_pcp_and_symmetric", mapped::symmetric_with_pcp_and_symmetric),
    ("mapped::symmetric_with_pcp_and_udp_blocked", mapped::symmetric_with_pcp_and_udp_blocked),
    ("mapped::the_doctor_tells_of_the_router", mapped::the_doctor_tells_of_the_router),
    ("mapped::a_firewall_for_ipv6_opens", mapped::a_firewall_for_ipv6_opens),
    ("mapped::a_firewall_for_ipv6_opens_for_tcp", mapped::a_firewall_for_ipv6_opens_for_tcp),
    ("mapped::a_firewall_for_ipv6_opens_by_upnp", mapped::a_firewall_for_ipv6_opens_by_upnp),
    ("mapped::both_symmetric_with_upnp_or_pcp", mapped::both_symmetric_with_upnp_or_pcp),
    (
        "mapped::a_router_behind_another_is_not_relied_on",
        mapped::a_router_behind_another_is_not_relied_on,
    ),
    ("mapped::what_was_forgotten_is_mapped_again", mapped::what_was_forgotten_is_mapped_again),
    ("storage::full_disk", storage::full_disk),
    (
        "disks::a_disk_that_hangs_holds_up_nothing_but_its_own_file",
        disks::a_disk_that_hangs_holds_up_nothing_but_its_own_file,
    ),
    (
        "disks::a_disk_that_hangs_under_what_is_sent_holds_up_nothing_else",
        disks::a_disk_that_hangs_under_what_is_sent_holds_up_nothing_else,
    ),
    (
        "disks::a_disk_that_hangs_under_what_is_here_already_is_not_waited_for",
        disks::a_disk_that_hangs_under_what_is_here_already_is_not_waited_for,
    ),
    (
        "disks::what_has_its_name_when_the_program_ends_is_there_once",
        disks::what_has_its_name_when_the_program_ends_is_there_once,
    ),
    (
        "disks::what_takes_long_to_be_closed_holds_up_nothing",
        disks::what_takes_long_to_be_closed_holds_up_nothing,
    ),
    (
        "disks::what_hangs_at_the_end_is_not_waited_for_for_ever",
        disks::what_hangs_at_the_end_is_not_waited_for_for_ever,
    ),
    (
        "disks::what_is_said_to_be_there_is_kept_as_that",
        disks::what_is_said_to_be_there_is_kept_as_that,
    ),
    (
        "disks::what_has_its_name_is_there_whatever_fails_after_that",
        disks::what_has_its_name_is_there_whatever_fails_after_that,
    ),
];

/// A laboratory, and what some need beyond that.
const NEEDS: &[support::trials::Need] = &[
    ("", support::lab::enter),
    ("wire::", support::lab::can_capture),
    ("nat::a_delay", support::nat::delay::can_delay),
    ("files::four_holders", support::lab::can_limit),
    ("nat::far_apart", support::nat::delay::can_delay),
    ("files::a_far", support::nat::delay::can_delay),
    ("mapped::", support::upnp::can_map),
    ("filtering::is_not_concluded", support::upnp::can_map),
    ("disks::a_disk_that_hangs", disks::can_hang),
    ("disks::what_", disks::can_tamper),
];

fn main() -> ExitCode {
    support::flood::run_if_flood();
    if support::nat::probe::run_if_probe() || support::dht_nodes::run_if_nodes() {
        return ExitCode::SUCCESS;
    }
    support::trials::run(TESTS, NEEDS)
}
