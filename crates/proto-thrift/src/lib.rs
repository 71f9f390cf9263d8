//! The thrift protocol of Aeraki.
