//! The steps of a request by themselves: `cargo bench -p hotclub-front --bench steps`.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use divan::{Bencher, black_box};
use hotclub_front::probe::Visitor;
use hotclub_front::{Site, Table};

const HEAD: &[u8] = b"GET /art/2024/untitled?page=2 HTTP/1.1\r\n\
Host: example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Cookie: csrftoken=0123456789abcdef0123456789abcdef\r\n\
X-Forwarded-For: 10.0.0.1\r\n\
X_Forwarded_Proto: https\r\n\
Connection: keep-alive\r\n\r\n";

fn main() {
    divan::main();
}

/// Parsing, checks, the header policy.
#[divan::bench]
fn head_and_header_policy(bencher: Bencher<'_, '_>) {
    let mut visitor = Visitor::default();
    bencher.bench_local(|| assert!(visitor.head(black_box(HEAD))));
}

#[divan::bench]
fn environ(bencher: Bencher<'_, '_>) {
    let mut visitor = Visitor::default();
    assert!(visitor.head(HEAD));
    bencher.bench_local(|| visitor.environ());
}

#[divan::bench]
fn site_among_1000(bencher: Bencher<'_, '_>) {
    let site = |n: u32| {
        let hosts = vec![
            format!("site-{n}.example.com"),
            format!("*.site-{n}.example.com"),
        ];
        Arc::new(Site::new(format!("site-{n}"), hosts, vec![], None))
    };
    let table = Table::new((0..1000).map(site), None);
    let hosts = [
        "site-7.example.com",
        "WWW.site-999.example.com",
        "unknown.example.com",
    ];
    bencher.bench_local(|| {
        hosts.map(|host| table.find(black_box(Some(host.as_bytes())), None).is_some())
    });
}

#[divan::bench(args = ["/", "/static/css/site.0123456789ab.css", "/m%C3%BCnchen/./a/%2e%2e/b"])]
fn path(bencher: Bencher<'_, '_>, raw: &str) {
    let mut visitor = Visitor::default();
    bencher.bench_local(|| visitor.path(black_box(raw.as_bytes())));
}

#[divan::bench(args = ["bytes=0-", "bytes=0-1023,4096-8191,-500"])]
fn range(bencher: Bencher<'_, '_>, value: &str) {
    let visitor = Visitor::default();
    bencher.bench_local(|| visitor.ranges(black_box(value.as_bytes()), 1 << 20));
}
