//! One stream of aggregated discovery: requests in, answers out.

use aeraki_api::discovery::{DiscoveryRequest, DiscoveryResponse, STREAM_AGGREGATED_RESOURCES};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::credentials::Credentials;
use crate::settings::Settings;
use crate::termination::{Reason, Termination};

/// A stream that the server has taken on.
pub(crate) struct Stream {
    responses: Streaming<DiscoveryResponse>,
}

/// Where requests go. Each answer and each timer makes a few at most, so there is no bound to keep.
pub(crate) type Requests = mpsc::UnboundedSender<DiscoveryRequest>;

impl Stream {
    /// Opens a stream that sends what `requests` brings. A server may say nothing before it has the first request, so
    /// that one must be there, or come meanwhile.
    pub(crate) async fn open(
        channel: Channel,
        settings: &Settings,
        credentials: Option<&Credentials>,
        requests: mpsc::UnboundedReceiver<DiscoveryRequest>,
    ) -> Result<Self, Termination> {
        let mut client =
            tonic::client::Grpc::new(channel).max_decoding_message_size(settings.message_limit);
        client.ready().await?;
        let mut request = Request::new(UnboundedReceiverStream::new(requests));
        let headers = request.metadata_mut();
        if let Some(authorization) = credentials.and_then(|c| c.authorization.clone()) {
            headers.insert("authorization", authorization);
        }
        if let Some(cluster_id) = &settings.cluster_id {
            let value = MetadataValue::try_from(cluster_id).map_err(|error| {
                Termination::new(Reason::InvalidArgument, format!("the cluster id: {error}"))
            })?;
            headers.insert("clusterid", value);
        }
        let path = PathAndQuery::from_static(STREAM_AGGREGATED_RESOURCES);
        let responses = client.streaming(request, path, Messages).await?;
        Ok(Self {
            responses: responses.into_inner(),
        })
    }

    /// Waits for the next answer. May be cancelled without loss.
    pub(crate) async fn next(&mut self) -> Result<DiscoveryResponse, Termination> {
        match self.responses.message().await? {
            Some(response) => Ok(response),
            None => Err(Termination::new(Reason::Closed, "")),
        }
    }
}

/// Protobuf messages, as any gRPC client has them; but a message that does not decode is an error that can be told from
/// one that the server sent.
struct Messages;

impl Codec for Messages {
    type Encode = DiscoveryRequest;
    type Decode = DiscoveryResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Messages {
    type Item = DiscoveryRequest;
    type Error = Status;

    fn encode(&mut self, item: DiscoveryRequest, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer)
            .map_err(|error| Status::from_error(error.into()))
    }
}

impl Decoder for Messages {
    type Item = DiscoveryResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DiscoveryResponse>, Status> {
        DiscoveryResponse::decode(buffer)
            .map(Some)
            .map_err(|error| Status::from_error(error.into()))
    }
}
