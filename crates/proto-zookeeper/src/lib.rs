//! The zookeeper protocol of Aeraki.
