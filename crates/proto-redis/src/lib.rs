//! The redis protocol of Aeraki.
