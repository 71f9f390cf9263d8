//! The generated code, in one module per protobuf package, as it expects to be.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::doc_lazy_continuation,
    clippy::large_enum_variant,
    clippy::needless_pass_by_value,
    clippy::str_to_string,
    clippy::uninlined_format_args,
    clippy::use_self
)]

macro_rules! wire {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}

macro_rules! wire_and_json {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
        include!(concat!(env!("OUT_DIR"), "/", $package, ".serde.rs"));
    };
}

pub mod istio {
    pub mod mcp {
        pub mod v1alpha1 {
            wire!("istio.mcp.v1alpha1");
        }
    }
    pub mod networking {
        pub mod v1alpha3 {
            wire_and_json!("istio.networking.v1alpha3");
        }
    }
    pub mod r#type {
        pub mod v1beta1 {
            wire_and_json!("istio.r#type.v1beta1");
        }
    }
}

pub mod envoy {
    pub mod config {
        pub mod cluster {
            pub mod v3 {
                wire_and_json!("envoy.config.cluster.v3");
            }
        }
        pub mod core {
            pub mod v3 {
                wire_and_json!("envoy.config.core.v3");
            }
        }
        pub mod endpoint {
            pub mod v3 {
                wire_and_json!("envoy.config.endpoint.v3");
            }
        }
        pub mod route {
            pub mod v3 {
                wire_and_json!("envoy.config.route.v3");
            }
        }
    }
    pub mod extensions {
        pub mod clusters {
            pub mod redis {
                pub mod v3 {
                    wire_and_json!("envoy.extensions.clusters.redis.v3");
                }
            }
        }
        pub mod filters {
            pub mod network {
                pub mod dubbo_proxy {
                    pub mod v3 {
                        wire_and_json!("envoy.extensions.filters.network.dubbo_proxy.v3");
                    }
                }
                pub mod kafka_broker {
                    pub mod v3 {
                        wire_and_json!("envoy.extensions.filters.network.kafka_broker.v3");
                    }
                }
                pub mod redis_proxy {
                    pub mod v3 {
                        wire_and_json!("envoy.extensions.filters.network.redis_proxy.v3");
                    }
                }
                pub mod thrift_proxy {
                    pub mod v3 {
                        wire_and_json!("envoy.extensions.filters.network.thrift_proxy.v3");
                    }
                }
                pub mod zookeeper_proxy {
                    pub mod v3 {
                        wire_and_json!("envoy.extensions.filters.network.zookeeper_proxy.v3");
                    }
                }
            }
        }
    }
    pub mod service {
        pub mod discovery {
            pub mod v3 {
                wire!("envoy.service.discovery.v3");
            }
        }
    }
    pub mod r#type {
        pub mod v3 {
            wire_and_json!("envoy.r#type.v3");
        }
        pub mod matcher {
            pub mod v3 {
                wire_and_json!("envoy.r#type.matcher.v3");
            }
        }
    }
}

pub mod google {
    pub mod rpc {
        wire!("google.rpc");
    }
}
