//! Owner → program: the text of `hotclub.toml`, and the report of what is wrong with it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(faults) = hotclub_config::parse(text, Path::new("hotclub.toml")) {
        assert!(!faults.to_string().is_empty());
    }
});
