//! The Envoy configurations that we emit, as far as we emit them.
//!
//! They are written as JSON only, into patch values: where Envoy has an `Any`, there is a
//! [`JsonStruct`](crate::JsonStruct) here, to be made by [`typed_config`](crate::typed_config()).

/// `envoy.extensions.filters.network.dubbo_proxy.v3`
pub mod dubbo {
    pub use crate::proto::envoy::extensions::filters::network::dubbo_proxy::v3::*;
}
/// `envoy.extensions.filters.network.thrift_proxy.v3`
pub mod thrift {
    pub use crate::proto::envoy::extensions::filters::network::thrift_proxy::v3::*;
}
/// `envoy.extensions.filters.network.redis_proxy.v3`
pub mod redis {
    pub use crate::proto::envoy::extensions::filters::network::redis_proxy::v3::*;
}
/// `envoy.extensions.clusters.redis.v3`
pub mod redis_cluster {
    pub use crate::proto::envoy::extensions::clusters::redis::v3::*;
}
/// `envoy.extensions.filters.network.zookeeper_proxy.v3`
pub mod zookeeper {
    pub use crate::proto::envoy::extensions::filters::network::zookeeper_proxy::v3::*;
}
/// `envoy.extensions.filters.network.kafka_broker.v3` (contrib builds only)
pub mod kafka {
    pub use crate::proto::envoy::extensions::filters::network::kafka_broker::v3::*;
}
/// `envoy.config.core.v3`
pub mod core {
    pub use crate::proto::envoy::config::core::v3::*;
}
/// `envoy.config.cluster.v3`
pub mod cluster {
    pub use crate::proto::envoy::config::cluster::v3::*;
}
/// `envoy.config.endpoint.v3`
pub mod endpoint {
    pub use crate::proto::envoy::config::endpoint::v3::*;
}
/// `envoy.config.route.v3`
pub mod route {
    pub use crate::proto::envoy::config::route::v3::*;
}
/// `envoy.type.matcher.v3`
pub mod matcher {
    pub use crate::proto::envoy::r#type::matcher::v3::*;
}
/// `envoy.type.v3`
pub mod percent {
    pub use crate::proto::envoy::r#type::v3::*;
}
