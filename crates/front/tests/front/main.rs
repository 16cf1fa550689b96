//! The front over real sockets, with a folder of files behind it. Apps come in with the tests of the
//! program.

#[cfg(test)]
#[cfg(test)]
mod serving;
#[cfg(test)]
mod support;
