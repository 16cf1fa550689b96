//! The front over real sockets, with a folder of files or another server behind it. Apps come in with the tests of the
//! program.

#[cfg(test)]
mod backend;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod compression;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
