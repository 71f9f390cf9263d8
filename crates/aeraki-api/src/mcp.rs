//! The envelope in which istiod hands out configuration.

use prost::{DecodeError, Message, Name};

pub use crate::proto::istio::mcp::v1alpha1::{Metadata, Resource};

/// A message of any type: its type URL and its bytes.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Any {
    /// `type.googleapis.com/` and the message name.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message on the wire.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Name for Any {
    const NAME: &'static str = "Any";
    const PACKAGE: &'static str = "google.protobuf";
}

impl Any {
    /// Packs a message.
    pub fn pack<M: Message + Name>(message: &M) -> Self {
        Self {
            type_url: M::type_url(),
            value: message.encode_to_vec(),
        }
    }

    /// Whether a message of type `M` is inside, whatever domain the type URL names.
    #[must_use]
    pub fn holds<M: Name>(&self) -> bool {
        self.type_url.rsplit('/').next() == Some(M::full_name().as_str())
    }

    /// Unpacks a message of type `M`; `None` where another type is inside.
    ///
    /// # Errors
    /// The bytes are not such a message.
    pub fn unpack<M: Message + Name + Default>(&self) -> Option<Result<M, DecodeError>> {
        self.holds::<M>().then(|| M::decode(self.value.as_slice()))
    }
}
