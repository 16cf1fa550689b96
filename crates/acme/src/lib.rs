//! Certificates from authorities, by ACME (RFC 8555).
