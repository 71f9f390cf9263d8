//! Proxies that stand in front of a server and break what passes, on wish and at run time.
//!
//! [`TcpProxy`] knows bytes and connections: it goes in front of istiod. [`HttpProxy`] knows the API
//! server's requests. Both can stand in a row. A proxy belongs to the tokio runtime that started it,
//! and ends when it is dropped.

pub use http::{ApiRequest, HttpFault, HttpProxy, Rule};
pub use tcp::{TcpFault, TcpProxy};
pub use verb::Verb;

mod http;
mod tcp;
mod verb;
