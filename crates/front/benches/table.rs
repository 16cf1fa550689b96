//! What finding a request's site costs, by the number of sites: `cargo bench -p hotclub-front --bench table`.
//!
//! Loads the table as a request does (one pointer) and looks up exact names, wildcards and strangers in turn. The
//! best of several rounds: what disturbs only adds.
#![allow(clippy::print_stdout, reason = "its result is for whoever runs it")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use hotclub_front::{Site, Table};

const ROUNDS: usize = 20;
const LOOKUPS: usize = 200_000;

fn table(sites: usize) -> Table {
    let site = |number: usize| {
        let hosts = [
            format!("shop-{number}.example.com"),
            format!("www.shop-{number}.example.com"),
            format!("*.shop-{number}.example.net"),
        ];
        Arc::new(Site::new(
            format!("shop-{number}"),
            hosts.to_vec(),
            Vec::new(),
            None,
        ))
    };
    Table::new((0..sites).map(site), None)
}

/// Names of visitors: spread over all sites, each kind as often, none known to the processor from the lookup before.
fn hosts(sites: usize) -> Vec<String> {
    let spread = (0..1024).map(|at: usize| (at * 7919) % sites);
    spread
        .enumerate()
        .map(|(at, site)| match at % 3 {
            0 => format!("shop-{site}.example.com"),
            1 => format!("WWW.Shop-{site}.example.com"),
            _ => format!("img.shop-{site}.example.net"),
        })
        .collect()
}

fn nanoseconds(sites: usize) -> f64 {
    let shared = ArcSwap::from_pointee(table(sites));
    let hosts = hosts(sites);
    let round = || {
        let began = Instant::now();
        for host in hosts.iter().cycle().take(LOOKUPS) {
            let table = shared.load();
            let found = table.find(black_box(Some(host.as_bytes())), None);
            assert!(black_box(found).is_some());
        }
        began.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn main() {
    println!("{:>7} sites  ns a request", "");
    for sites in [1, 10, 100, 1_000, 10_000] {
        println!("{sites:>7} sites  {:.0}", nanoseconds(sites));
    }
}
