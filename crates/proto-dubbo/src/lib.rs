//! The dubbo protocol of Aeraki.
