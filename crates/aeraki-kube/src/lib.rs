//! Kubernetes: config by watch, EnvoyFilters by write, the Lease, Events and status.
