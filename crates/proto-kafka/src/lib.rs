//! The kafka protocol of Aeraki.
