//! The test bed: real etcd, kube-apiserver and istiod on loopback, and proxies that break connections.
