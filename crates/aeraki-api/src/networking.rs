//! `networking.istio.io`, every field: the kinds Aeraki reads and the one it writes.
//!
//! The messages are the same in v1, v1beta1 and v1alpha3.

pub use crate::proto::istio::networking::v1alpha3::*;
/// The label selector and the target reference that Istio's kinds share. The older, differently
/// named selector of ServiceEntry and EnvoyFilter is [`WorkloadSelector`].
pub mod selector {
    pub use crate::proto::istio::r#type::v1beta1::*;
}
